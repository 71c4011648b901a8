"""Readers who mask images of a trained study."""

from __future__ import annotations

from dataclasses import replace

from imil.core.records import Region
from imil.study.library.studies import Studies
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner


def study_to_read(studies: Studies) -> Study:
    """Begin a study with a budget for a few masks."""
    made = studies.demo()
    made.training.set_plan(replace(made.plan, size=32, budget=0.2))
    return as_if_trained(made)


def paint(study: Study, reader: str, place: int, *, side: int, seconds: float = 4) -> str:
    """Hide the corner of the film at a place of the queue, and return its id."""
    sample_id = study.queues.offers()[place].sample_id
    region: Region = corner(study, sample_id, side=side)
    study.review.submit(sample_id, region, reader=reader, seconds=seconds)
    return sample_id


def two_readers(study: Study) -> tuple[str, str]:
    """Mask two images twice: of the second, both readers say quite the same."""
    ids = [paint(study, "Ada & Co", place, side=10, seconds=8 - place) for place in range(3)]
    paint(study, "Bo", 0, side=20)
    paint(study, "Bo", 1, side=10)
    study.review.skip(ids[2], reader="Bo")
    return ids[0], ids[1]
