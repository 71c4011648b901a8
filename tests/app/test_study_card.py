from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.app.train.train_tab import study_data
from imil.core.duplicates import Twins
from imil.report.cards.study_card import study_card
from imil.study.library.studies import Studies
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner


@pytest.fixture
def study(studies: Studies) -> Study:
    return studies.demo(trained=False)


def with_twins(study: Study, twins: Twins | None) -> str:
    study.report = replace(study.report, twins=twins)
    return study_card(study_data(study))


def names(study: Study) -> tuple[str, str]:
    first, second, *_ = (sample.sample_id for sample in study.images.samples)
    return first, second


def test_nothing_is_said_of_duplicates_where_nobody_looked(study: Study) -> None:
    assert "duplicate" not in with_twins(study, None)


def test_a_set_without_duplicates_says_how_many_were_compared(study: Study) -> None:
    card = with_twins(study, Twins(compared=1200))

    assert "<b>No near duplicate across splits.</b> 1,200 images compared." in card


def test_duplicates_kept_together_are_counted_and_shown(study: Study) -> None:
    card = with_twins(study, Twins(900, inside=1, kept=2, named=(names(study),)))

    assert "2 images that look the same were kept together" in card
    assert "1 pair of near duplicates inside one split." in card
    assert f"{names(study)[0]}, Train" in card


def test_duplicates_across_splits_warn_with_pictures_and_say_how_many_more(study: Study) -> None:
    card = with_twins(study, Twins(900, across=3, named=(names(study),)))

    assert '<li class="w">' in card
    assert "3 pairs of near duplicates lie in two splits." in card
    assert "and 2 more" in card


def test_duplicates_that_were_moved_are_said(study: Study) -> None:
    card = with_twins(study, Twins(900, inside=1, moved=1, named=(names(study),)))

    assert "1 image was moved to the stricter split, where the duplicate was" in card


def test_of_a_huge_set_it_is_said_that_only_copies_are_found(study: Study) -> None:
    assert "only exact copies" in with_twins(study, Twins(50_000, exact_only=True))


def test_a_class_with_few_test_images_warns_with_what_one_of_them_counts(
    studies: Studies, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for label, number in (("rare", 10), ("usual", 200)):
        folder = tmp_path / "films" / label
        folder.mkdir(parents=True)
        for n in range(number):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{n}.png")
    archive = Path(shutil.make_archive(str(tmp_path / "films"), "zip", tmp_path / "films"))

    card = study_card(study_data(studies.from_archive(archive, name="films")))

    assert "Few images of “rare”: 1 image in validation." in card
    assert "Few images of “rare”: 2 images in test." in card
    assert "changes its share by 50 points" in card
    assert "Few images of “usual”: 20" not in card


def test_a_mask_that_is_damaged_is_named_where_the_study_is_told_of(studies: Studies) -> None:
    study = studies.demo(trained=False)
    assert "can’t be read" not in study_card(study_data(study))
    name = f"data/masks/202611/20261101T120000000000-aa-{study.study_id}.parquet"
    study._tools.store.add(name, b"cut short")
    studies._open.clear()

    card = study_card(study_data(studies.open(study.study_id)))

    assert "<b>1 mask can’t be read.</b>" in card
    assert name in card
    assert card.index(name) < card.index("Split and class balance")


def test_of_a_damaged_mask_the_log_still_tells_the_image(studies: Studies) -> None:
    study = as_if_trained(studies.demo())
    sample_id = study.queue()[0].sample_id
    study.submit_mask(sample_id, corner(study, sample_id), reader="Ada", seconds=3)
    study.settle()
    name = study._masks.name_of(sample_id)
    study._tools.store.write(name, b"cut short")
    studies._open.clear()

    card = study_card(study_data(studies.open(study.study_id)))

    assert f"restore the file from a copy: {study.images.title(sample_id)}, {name}<" in card


def test_what_each_split_was_read_from_alike_is_said_once(study: Study) -> None:
    study.report = replace(study.report, notes=("Read from the table.",) * 3)

    assert study_card(study_data(study)).count("Read from the table.") == 1
