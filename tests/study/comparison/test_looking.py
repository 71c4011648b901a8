from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imil.core.records import Split
from imil.study.comparison.saliency_comparison import (
    BEFORE_MASKS,
    SaliencyRequest,
    choose_images,
    make_saliency,
    read_saliency,
)
from imil.study.study import Study
from imil.study.workspace import read_logits
from tests.standins.trained import as_if_trained
from tests.study.conftest import Machine

pytestmark = pytest.mark.slow


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    machine = Machine(tmp_path)
    made = machine.studies.demo()
    made.training.set_plan(replace(made.plan, size=32))
    yield as_if_trained(made)
    machine.pool.close()


@pytest.mark.parametrize(
    ("fixed", "broken", "shown"),
    [
        (("a", "b", "c"), ("x", "y"), (("a", True), ("b", True), ("x", False))),
        (("a", "b", "c", "d"), (), (("a", True), ("b", True), ("c", True))),
        ((), ("x", "y", "z", "w"), (("x", False), ("y", False), ("z", False))),
        (("a",), ("x", "y"), (("a", True), ("x", False), ("y", False))),
        ((), (), ()),
    ],
)
def test_mostly_fixed_images_are_explained_and_one_that_was_broken(
    fixed: tuple[str, ...], broken: tuple[str, ...], shown: tuple[tuple[str, bool], ...]
) -> None:
    assert choose_images(fixed, broken) == shown


def test_each_model_has_a_map_and_an_answer_to_each_image(study: Study, tmp_path: Path) -> None:
    rows = study.images.rows(Split.VALIDATION)[:2]
    ids = [study.images.samples[row].sample_id for row in rows]
    wanted = SaliencyRequest(
        ((ids[0], True), (ids[1], False)),
        ((BEFORE_MASKS, study.training.task), ("imil", study.training.task)),
    )

    make_saliency(study.context.workspace, wanted, tmp_path / "looks.npz")
    looks = read_saliency(study.context.workspace, wanted, tmp_path / "looks.npz")

    assert [(look.sample_id, look.fixed) for look in looks] == [(ids[0], True), (ids[1], False)]
    said = np.asarray(read_logits(study.training.task)[rows]).argmax(1)
    for look, answer in zip(looks, said, strict=True):
        assert list(look.maps) == [BEFORE_MASKS, "imil"]
        assert look.maps[BEFORE_MASKS].shape == (32, 32)
        assert look.maps[BEFORE_MASKS].max() == 255
        assert look.predicted == {BEFORE_MASKS: answer, "imil": answer}
        assert 0.5 <= look.confidence[BEFORE_MASKS] <= 1
