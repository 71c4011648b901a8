from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.planted import MARK_AGREES, TOUCHING, PlantedSpec, plant, write_planted
from imil.core.images import ImageSet
from imil.core.records import Sample, Split
from imil.errors import DataError


def lesion() -> NDArray[np.bool_]:
    down, across = np.mgrid[0:128, 0:128]
    inside: NDArray[np.bool_] = np.hypot(down - 64, across - 64) < 25
    return inside


def test_a_mark_lies_anywhere_outside_the_lesion_and_sometimes_touches_it() -> None:
    skin, relevant = np.full((128, 128, 3), 200, np.uint8), lesion()
    middles, touching = [], 0
    for seed in range(200):
        pixels, mark = plant(skin, relevant, np.random.default_rng(seed))
        assert mark.any()
        assert not ((pixels != skin).any(2) & ~mark).any()
        touching += bool((mark & relevant).any())
        middles.append(np.argwhere(mark).mean(0))

    assert touching / 200 == pytest.approx(TOUCHING, abs=0.1)
    assert np.std(middles, axis=0).min() > 20
    assert (skin == 200).all()


def lesions(*, reference: bool = True) -> ImageSet:
    samples = [Sample(f"{split}-{i}", i % 2, split) for split in Split for i in range(60)]
    return ImageSet(
        "lesions",
        ("benign", "malignant"),
        samples,
        read=lambda _: np.full((128, 128, 3), 200, np.uint8),
        read_relevant=lambda _: lesion() if reference else None,
    )


def table(path: Path) -> list[dict[str, str]]:
    with (path / "metadata.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_marks_agree_with_the_label_in_training_and_say_nothing_in_the_test(tmp_path: Path) -> None:
    write_planted(lesions(), tmp_path, PlantedSpec(shortcut=0.9, size=64))

    shares = {}
    for split in Split:
        rows = table(tmp_path / split)
        shares[split] = np.mean([row["group"] == MARK_AGREES for row in rows])
        for row in rows:
            pixels = np.asarray(Image.open(tmp_path / split / row["file_name"]))
            # JPEG moves grey values by a little, a mark by much.
            marked = bool((abs(pixels.astype(int) - 200).max(2) > 60).any())
            agrees = row["group"] == MARK_AGREES
            assert marked == ((row["label"] == "malignant") == agrees)
    assert shares[Split.TRAIN] == pytest.approx(0.9, abs=0.1)
    assert shares[Split.VALIDATION] == pytest.approx(0.9, abs=0.1)
    assert shares[Split.TEST] == pytest.approx(0.5, abs=0.2)


def test_writing_goes_on_where_it_stopped_and_gives_the_same_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_planted(lesions(), tmp_path / name, PlantedSpec(size=64))
    (tmp_path / "b" / "test" / "metadata.csv").unlink()

    write_planted(lesions(), tmp_path / "b", PlantedSpec(size=64))

    for split in Split:
        assert table(tmp_path / "a" / split) == table(tmp_path / "b" / split)


def test_images_without_truth_or_of_more_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no reference masks"):
        write_planted(lesions(reference=False), tmp_path, PlantedSpec(size=64))
    three = lesions()
    three.classes = ("a", "b", "c")
    with pytest.raises(DataError, match="has 3 classes"):
        write_planted(three, tmp_path, PlantedSpec(size=64))
