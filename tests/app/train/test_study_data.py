"""What the card of a study's images is told."""

from __future__ import annotations

from imil.app.train.train_tab import study_data
from imil.study.library.studies import Studies
from tests.standins.trained import as_if_trained, corner


def test_a_mask_that_is_damaged_is_named(studies: Studies) -> None:
    study = studies.demo(trained=False)
    assert study_data(study).damaged == {}
    name = f"data/masks/202611/20261101T120000000000-aa-{study.study_id}.parquet"
    study.context.services.store.add(name, b"cut short")
    studies._open.clear()

    assert study_data(studies.open(study.study_id)).damaged == {name: None}


def test_of_a_damaged_mask_the_log_still_tells_the_image(studies: Studies) -> None:
    study = as_if_trained(studies.demo())
    sample_id = study.queues.offers()[0].sample_id
    study.review.submit(sample_id, corner(study, sample_id), reader="Ada", seconds=3)
    study.flush()
    name = study.context.masks.name_of(sample_id)
    study.context.services.store.write(name, b"cut short")
    studies._open.clear()

    assert study_data(studies.open(study.study_id)).damaged == {name: sample_id}
