from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imil.core.records import Split
from imil.study.comparison.looking import FIRST, Wanted, chosen, make_looks, read_looks
from imil.study.study import Study
from imil.study.workspace import read_logits
from tests.standins.trained import as_if_trained
from tests.study.conftest import Machine

pytestmark = pytest.mark.slow


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    machine = Machine(tmp_path)
    made = machine.studies.demo()
    made.set_plan(replace(made.plan, size=32))
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
    assert chosen(fixed, broken) == shown


def test_each_model_has_a_map_and_an_answer_to_each_image(study: Study, tmp_path: Path) -> None:
    rows = study.images.rows(Split.VALIDATION)[:2]
    ids = [study.images.samples[row].sample_id for row in rows]
    wanted = Wanted(
        ((ids[0], True), (ids[1], False)), ((FIRST, study._first), ("imil", study._first))
    )

    make_looks(study._workspace, wanted, tmp_path / "looks.npz")
    looks = read_looks(study._workspace, wanted, tmp_path / "looks.npz")

    assert [(look.sample_id, look.fixed) for look in looks] == [(ids[0], True), (ids[1], False)]
    said = np.asarray(read_logits(study._first)[rows]).argmax(1)
    for look, answer in zip(looks, said, strict=True):
        assert list(look.maps) == [FIRST, "imil"]
        assert look.maps[FIRST].shape == (32, 32)
        assert look.maps[FIRST].max() == 255
        assert look.predicted == {FIRST: answer, "imil": answer}
        assert 0.5 <= look.confidence[FIRST] <= 1
