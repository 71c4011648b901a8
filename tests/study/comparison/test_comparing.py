"""What can be compared, and what is refused without a trace."""

from __future__ import annotations

import pytest

from imil.errors import PlanError
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner
from tests.study.conftest import Machine


@pytest.fixture
def study(machine: Machine) -> Study:
    return as_if_trained(machine.studies.demo())


@pytest.mark.parametrize("arms", [None, ("imil",), ("control", "imil"), ("mixup", "imil+noise")])
def test_arms_of_masks_are_refused_without_masks_and_nothing_is_logged_trained_or_fixed(
    study: Study, arms: tuple[str, ...] | None
) -> None:
    before = study.audit.check().acts

    with pytest.raises(PlanError, match=r"“imil.*needs 1 masked image.*Mask more images"):
        study.comparison.start(arms=arms, who="dr")

    assert study.audit.check().acts == before
    assert study.comparison.status().state is None
    assert (study.comparison.seeds_asked(), study.comparison.test_openings) == (0, 0)
    assert not study.training.deployment_fixed


def test_there_is_something_to_compare_once_an_image_is_masked_or_a_label_changed(
    machine: Machine, study: Study
) -> None:
    assert not study.comparison.usual.worthwhile
    first, second = (offer.sample_id for offer in study.queues.offers()[:2])

    study.review.skip(first)
    assert not study.comparison.usual.worthwhile
    study.labels.exclude(second)
    assert study.comparison.usual.worthwhile

    masked = as_if_trained(machine.studies.demo())
    masked.review.submit(first, corner(masked, first), reader="dr", seconds=1)
    assert masked.comparison.usual.worthwhile
