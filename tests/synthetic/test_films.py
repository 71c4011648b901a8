from __future__ import annotations

import csv
import json
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from imil.core.records import Split
from imil.datasets.folder import read_folder
from imil.datasets.listing import image_set
from imil.errors import DataError, PlanError
from imil.synthetic.films import (
    CLASSES,
    FILMS_VERSION,
    MARKER_AGREES,
    MARKER_DISAGREES,
    FilmSpec,
    film,
    film_counts,
    film_set,
    film_truth,
    marker_place,
    write_films,
)

SPEC = FilmSpec(images=40, size=32, shortcut=0.9, label_noise=0.1, seed=5)


def test_a_film_is_the_same_whatever_was_drawn_before() -> None:
    first = film(SPEC, 7)
    film(SPEC, 3)

    again = film(SPEC, 7)

    assert np.array_equal(again.pixels, first.pixels)
    assert np.array_equal(again.relevant, first.relevant)


def test_another_seed_gives_other_films() -> None:
    assert not np.array_equal(film(SPEC, 0).pixels, film(replace(SPEC, seed=6), 0).pixels)


def test_films_are_grey_squares_of_eight_bits() -> None:
    one = film(SPEC, 0)

    assert (one.pixels.shape, one.pixels.dtype.name) == ((32, 32), "uint8")
    assert (one.relevant.shape, one.relevant.dtype.name) == ((32, 32), "bool")


def test_validation_is_a_fifth_and_test_two_fifths_on_top() -> None:
    assert film_counts(FilmSpec(images=1000)) == {
        Split.TRAIN: 1000,
        Split.VALIDATION: 200,
        Split.TEST: 400,
    }


def test_tiny_sets_keep_enough_to_validate_and_test_on() -> None:
    assert list(film_counts(FilmSpec(images=20)).values()) == [20, 10, 20]


def test_both_classes_have_half_of_each_split() -> None:
    films = film_set(FilmSpec(images=100))

    for split in Split:
        rows = films.rows(split)
        assert films.labels[rows].sum() == len(rows) / 2


@pytest.mark.parametrize(("shortcut", "agreeing"), [(1.0, 100), (0.95, 96), (0.5, 50), (0.0, 0)])
def test_markers_agree_as_often_as_asked_for_in_training(shortcut: float, agreeing: int) -> None:
    films = film_set(FilmSpec(images=100, shortcut=shortcut))

    groups = Counter(films.samples[row].group for row in films.rows(Split.TRAIN))

    assert groups[MARKER_AGREES] == agreeing
    assert groups[MARKER_DISAGREES] == 100 - agreeing


def test_validation_carries_the_shortcut_and_test_does_not() -> None:
    films = film_set(FilmSpec(images=100, shortcut=1.0))

    groups = {
        split: Counter(films.samples[row].group for row in films.rows(split))
        for split in (Split.VALIDATION, Split.TEST)
    }

    assert groups[Split.VALIDATION] == {MARKER_AGREES: 20}
    assert groups[Split.TEST] == {MARKER_AGREES: 20, MARKER_DISAGREES: 20}


def test_label_noise_flips_its_share_of_training_labels_alone() -> None:
    films = [film(SPEC, index) for index in range(70)]

    flipped = Counter(one.split for one in films if one.label != one.true_label)

    assert flipped == {Split.TRAIN: 4}


def test_the_marker_goes_with_the_true_class_not_with_the_flipped_label() -> None:
    spec = FilmSpec(images=40, size=32, shortcut=1.0, label_noise=0.25)

    films = [film(spec, index) for index in range(40)]

    assert all(one.marked == (one.true_label == 1) for one in films)
    assert sum(one.group == MARKER_DISAGREES for one in films) == 10


def test_patients_have_two_films_and_never_cross_splits() -> None:
    films = film_set(FilmSpec(images=21))

    patients: dict[str | None, set[Split]] = {}
    for sample in films.samples:
        patients.setdefault(sample.patient, set()).add(sample.split)
    counts = Counter(sample.patient for sample in films.samples)

    assert all(len(splits) == 1 for splits in patients.values())
    assert Counter(counts.values()) == {2: 25, 1: 1}


def test_ids_are_unique_over_all_splits() -> None:
    films = film_set(SPEC)

    assert films.samples[19].sample_id == "film_0019"
    assert len({sample.sample_id for sample in films.samples}) == 70


def test_the_set_draws_the_very_films_when_asked() -> None:
    films = film_set(SPEC)
    sample = films.samples[11]

    one = film(SPEC, 11)

    assert np.array_equal(films.original("film_0011"), one.pixels)
    relevant = films.reference_relevant("film_0011")
    assert relevant is not None
    assert np.array_equal(relevant, one.relevant)
    assert (sample.label, sample.patient, sample.group) == (one.label, one.patient, one.group)
    assert (films.channels, films.mirrored, films.classes) == (1, False, CLASSES)


def test_the_set_can_be_sent_to_another_process() -> None:
    films = pickle.loads(pickle.dumps(film_set(SPEC)))  # noqa: S301  # our own bytes

    assert np.array_equal(films.original("film_0001"), film(SPEC, 1).pixels)


def test_distractors_and_class_leave_the_rest_of_the_film_as_it_is() -> None:
    plain, more = film(SPEC, 4), film(replace(SPEC, distractors=4), 4)

    changed = plain.pixels != more.pixels

    assert changed.any()
    assert not (changed & plain.relevant).any()
    assert np.array_equal(plain.relevant, more.relevant)


@pytest.mark.slow
def test_the_relevant_region_does_not_tell_the_class() -> None:
    spec = FilmSpec(images=400, size=32)
    films = [film(spec, index) for index in range(400)]
    masks = np.stack([one.relevant.ravel() for one in films]).astype(float)
    labels = np.array([one.true_label for one in films])

    told = LogisticRegression(C=0.01).fit(masks[:200], labels[:200])

    # 200 coin throws stay within 0.4-0.6 in 99.5 % of cases.
    assert 0.4 < told.score(masks[200:], labels[200:]) < 0.6


@pytest.mark.slow
def test_written_films_are_an_image_folder_with_masks_and_groups(tmp_path: Path) -> None:
    out = tmp_path / "films"

    assert list(write_films(SPEC, out))[-1] == 70

    with (out / "test" / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    one = film(SPEC, 50)
    assert rows[0] == {
        "file_name": "images/film_0050.png",
        "label": CLASSES[one.label],
        "patient_id": one.patient,
        "group": one.group,
        "relevant_file_name": "relevant/film_0050.png",
        "reference_label": CLASSES[one.true_label],
    }
    assert np.array_equal(np.asarray(Image.open(out / "test/images/film_0050.png")), one.pixels)
    mask = np.asarray(Image.open(out / "test/relevant/film_0050.png").convert("L"))
    assert np.array_equal(mask == 255, one.relevant)
    assert [len(list((out / split / "images").iterdir())) for split in Split] == [40, 10, 20]


def test_written_films_say_how_to_make_them_again(tmp_path: Path) -> None:
    list(write_films(SPEC, tmp_path / "films"))

    origin = json.loads((tmp_path / "films" / "films.json").read_text())

    assert origin.pop("films_version") == FILMS_VERSION
    assert FilmSpec(**origin) == SPEC


def test_a_stopped_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    writing = write_films(SPEC, tmp_path / "films")
    next(writing)

    del writing

    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_may_be_written_into(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()

    list(write_films(FilmSpec(images=20, size=32), tmp_path / "films"))

    assert (tmp_path / "films" / "train" / "metadata.csv").exists()


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me")

    with pytest.raises(DataError, match=r"can't be written.*Name a new folder"):
        next(write_films(SPEC, tmp_path))

    assert (tmp_path / "notes.txt").read_text() == "keep me"


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("images", 19, r"19 training films are too few.*20 films or more"),
        ("size", 31, r"31 px wide.*from 32 to 1024"),
        ("size", 1025, r"1025 px wide.*from 32 to 1024"),
        ("shortcut", 1.01, r"shortcut of the films can't be 1.01.*from 0 to 1"),
        ("shortcut", float("nan"), r"shortcut of the films can't be nan.*from 0 to 1"),
        ("label_noise", -0.1, r"label noise of the films can't be -0.1.*from 0 to 1"),
        ("distractors", -1, r"can't have -1 distractors.*from 0 to 20"),
        ("distractors", 21, r"can't have 21 distractors.*from 0 to 20"),
        ("seed", -1, r"seed is -1.*from 0 to"),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: float, text: str) -> None:
    with pytest.raises(PlanError, match=text):
        replace(SPEC, **{field: value})  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize("index", [-1, 70])
def test_an_index_outside_the_set_is_a_bug(index: int) -> None:
    with pytest.raises(ValueError, match="no film"):
        film(SPEC, index)


def test_reference_labels_are_written_where_labels_are_wrong_and_read_back(
    tmp_path: Path,
) -> None:
    noisy, right = FilmSpec(images=20, size=32, label_noise=0.2), FilmSpec(images=20, size=32)
    for name, spec in (("noisy", noisy), ("right", right)):
        for _ in write_films(spec, tmp_path / name):
            pass

    header = (tmp_path / "right" / "train" / "metadata.csv").read_text().splitlines()[0]
    assert "reference_label" not in header
    images, _ = image_set(read_folder(tmp_path / "noisy"))
    films = film_set(noisy)
    for sample in images.samples:
        # Read back, classes stand in another order: their names are compared.
        read, known = (
            each.classes[each.reference_label(name) or 0]
            for each, name in ((images, sample.sample_id), (films, Path(sample.sample_id).stem))
        )
        assert read == known
    wrong = [s for s in images.samples if images.reference_label(s.sample_id) != s.label]
    assert {s.split for s in wrong} == {Split.TRAIN}
    assert len(wrong) == 4
    assert not image_set(read_folder(tmp_path / "right"))[0].has_reference_labels


def test_the_truth_of_a_film_is_where_its_finding_and_its_marker_are() -> None:
    spec = FilmSpec(images=40, size=96, seed=5)
    for index in range(40):
        one = film(spec, index)

        finding, marker = film_truth(spec, one.sample_id)

        assert finding.any() == (one.true_label == 1)
        # But for its faint rim, which may reach beyond the lung.
        assert (finding & ~one.relevant).sum() <= 0.05 * finding.sum()
        assert marker.any() == one.marked
        place = marker_place(spec, one.sample_id)
        if place is not None:
            left, top, side = (round(96 * each) for each in place)
            assert marker[top : top + side, left : left + side].all()
            assert marker.sum() < (side + 4) ** 2
