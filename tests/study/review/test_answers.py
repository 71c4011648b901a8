from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from imil.core.images import working_image
from imil.core.nets.backbones import Classifier
from imil.core.review.counterfactual import Answer
from imil.core.review.masks import apply_blackout
from imil.core.training.fit import predict
from imil.errors import DataError, MaskError, PlanError
from imil.study.review.answers import Recent, _read_model
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner
from tests.study.conftest import Machine


@pytest.fixture
def study(machine: Machine) -> Study:
    study = machine.studies.demo()
    study.training.set_plan(replace(study.plan, size=32))
    return as_if_trained(study)


class Passes:
    """Counts the forward passes of every module, and the images in them."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, module: torch.nn.Module, given: Any) -> None:
        if isinstance(module, Classifier):
            self.batches.append(len(given[0]))


@pytest.fixture
def passes() -> Any:
    counted = Passes()
    handle = torch.nn.modules.module.register_module_forward_pre_hook(counted)
    yield counted
    handle.remove()


def test_an_answer_costs_exactly_one_pass_of_one_image(study: Study, passes: Passes) -> None:
    sample_id = study.images.samples[0].sample_id

    study.model.answer(sample_id, corner(study, sample_id))

    assert passes.batches == [1]


def test_where_nothing_is_hidden_no_pass_is_made(study: Study, passes: Passes) -> None:
    sample_id = study.images.samples[0].sample_id

    answer = study.model.answer(sample_id, None)
    empty = study.model.answer(sample_id, corner(study, sample_id, side=0))

    assert passes.batches == []
    assert answer == empty
    assert answer.before == answer.after
    assert not answer.flips


def test_the_finding_check_costs_a_pass_more_or_twenty_one_and_is_then_known(
    study: Study, passes: Passes
) -> None:
    sample_id = next(s.sample_id for s in study.images.samples if s.label == 1)

    first = study.model.check(sample_id, corner(study, sample_id, side=30))
    asked = list(passes.batches)
    again = study.model.check(sample_id, corner(study, sample_id, side=30))

    assert first is not None
    assert asked == ([1] if first.chance is None else [1, 5, 5, 5, 5])
    assert again == first
    assert passes.batches == asked


def test_nothing_is_checked_where_no_finding_can_be_hidden(study: Study, passes: Passes) -> None:
    absent = next(s.sample_id for s in study.images.samples if s.label == 0)
    present = next(s.sample_id for s in study.images.samples if s.label == 1)

    assert study.model.check(absent, corner(study, absent, side=30)) is None
    assert study.model.check(present, corner(study, present, side=0)) is None
    assert passes.batches == []


def test_the_edit_is_the_one_that_training_makes(study: Study) -> None:
    sample_id = study.images.samples[3].sample_id
    irrelevant = corner(study, sample_id, side=30)

    answer = study.model.answer(sample_id, irrelevant)

    blacked_out = apply_blackout(study.images.original(sample_id), irrelevant)
    image = working_image(blacked_out, size=32, channels=study.images.channels)
    shares = torch.softmax(predict(_read_model(study.training.task), image[None])[0].double(), 0)
    assert np.allclose(answer.after, shares.numpy(), atol=1e-6)
    assert answer.coverage == irrelevant.mean()
    assert answer.label == study.images.samples[3].label


def test_the_model_and_the_image_are_read_once(study: Study) -> None:
    sample_id = study.images.samples[0].sample_id
    first = study.model.answer(sample_id, corner(study, sample_id))
    study.training.task.checkpoint.unlink()

    assert study.model.answer(sample_id, corner(study, sample_id)) == first


def test_readers_who_ask_at_once_get_their_own_answers(study: Study) -> None:
    ids = [sample.sample_id for sample in study.images.samples[:8]]
    alone = {i: study.model.answer(i, corner(study, i)) for i in ids}
    together: dict[str, Answer] = {}

    def ask(sample_id: str) -> None:
        together[sample_id] = study.model.answer(sample_id, corner(study, sample_id))

    threads = [threading.Thread(target=ask, args=(sample_id,)) for sample_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert together == alone


def test_a_mask_of_another_size_or_an_unknown_image_is_refused(study: Study) -> None:
    with pytest.raises(MaskError, match=r"3 x 3 px, the image.*own size"):
        study.model.answer(study.images.samples[0].sample_id, np.ones((3, 3), np.bool_))
    with pytest.raises(DataError, match=r"no image “gone”.*Pick an image"):
        study.model.answer("gone", None)


def test_before_training_there_is_no_answer(machine: Machine) -> None:
    study = machine.studies.demo()

    with pytest.raises(PlanError, match=r"nothing to review yet.*Train a model first"):
        study.model.answer(study.images.samples[0].sample_id, None)


def test_what_was_used_last_is_kept_up_to_its_bytes() -> None:
    made = []

    def make(name: str) -> bytes:
        made.append(name)
        return bytes(40)

    recent: Recent[str, bytes] = Recent(100, len)
    for name in ("a", "b", "a", "c", "a", "b"):
        recent.get(name, lambda name=name: make(name))  # type: ignore[misc]  # name is bound

    assert made == ["a", "b", "c", "b"]


def test_who_asks_for_what_is_kept_does_not_wait_for_what_is_made() -> None:
    recent: Recent[str, bytes] = Recent(100, len)
    kept = recent.get("kept", lambda: b"kept")
    begun, known = threading.Event(), threading.Event()

    def slow() -> bytes:
        begun.set()
        assert known.wait(timeout=60)
        return b"made"

    making = threading.Thread(target=recent.get, args=("new", slow))
    making.start()
    assert begun.wait(timeout=60)
    assert recent.get("kept", lambda: b"made again") is kept
    known.set()
    making.join()

    assert recent.known("new") == b"made"


def test_the_newest_is_kept_whatever_its_size() -> None:
    recent: Recent[str, bytes] = Recent(10, len)
    first = recent.get("a", lambda: bytes(40))

    assert recent.get("a", lambda: b"") is first


def test_where_the_model_looks_is_said_of_the_class_that_it_predicts(study: Study) -> None:
    sample_id = study.images.samples[0].sample_id

    looked = study.model.saliency(sample_id)

    assert looked.saliency.shape == (32, 32)
    assert looked.saliency.max() == 1
    assert looked.target == study.model.answer(sample_id, None).predicted_before


def test_the_map_of_an_image_as_it_is_is_made_once(study: Study, passes: Passes) -> None:
    sample_id = study.images.samples[0].sample_id
    study.model.saliency(sample_id)
    before = len(passes.batches)

    study.model.saliency(sample_id)

    assert before > 0
    assert len(passes.batches) == before


def test_a_region_that_is_hidden_changes_where_the_model_looks(study: Study) -> None:
    sample_id = study.images.samples[0].sample_id
    irrelevant = corner(study, sample_id, side=30)

    as_it_is = study.model.saliency(sample_id)
    hidden = study.model.saliency(sample_id, irrelevant)
    nothing = study.model.saliency(sample_id, corner(study, sample_id, side=0))

    assert hidden.target == study.model.answer(sample_id, irrelevant).predicted_after
    assert not np.array_equal(hidden.saliency, as_it_is.saliency)
    assert np.array_equal(nothing.saliency, as_it_is.saliency)


def test_where_the_model_looks_is_refused_as_an_answer_is(machine: Machine, study: Study) -> None:
    with pytest.raises(MaskError, match=r"3 x 3 px, the image.*own size"):
        study.model.saliency(study.images.samples[0].sample_id, np.ones((3, 3), np.bool_))
    with pytest.raises(DataError, match=r"no image “gone”"):
        study.model.saliency("gone")
    untrained = machine.studies.demo()
    with pytest.raises(PlanError, match=r"nothing to review yet.*Train a model first"):
        untrained.model.saliency(untrained.images.samples[0].sample_id)
