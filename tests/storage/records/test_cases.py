from __future__ import annotations

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL, IMIL
from imil.core.evaluation.cases import Cases, cases_of
from imil.core.records import Sample, Split
from imil.errors import StoreError
from imil.storage.records.cases import decode_cases, encode_cases, load_cases, save_cases
from tests.standins.memory_store import MemoryStore

CLASSES = ("no finding", "finding")


@pytest.fixture
def cases() -> Cases:
    rng = np.random.default_rng(0)
    samples = tuple(Sample(f"a/i{n}", n % 2, Split.VALIDATION) for n in range(5))
    scores = {
        arm: tuple(rng.normal(size=(5, 2)).astype(np.float32) for _ in range(3))
        for arm in (CONTROL, IMIL)
    }
    return cases_of(scores, samples, (4, 5, 6))


def test_what_is_saved_comes_back(cases: Cases) -> None:
    store = MemoryStore()

    save_cases(store, "s1", cases, key="k", classes=CLASSES)
    again = load_cases(store, "s1", key="k", classes=CLASSES)

    assert again is not None
    assert (again.sample_ids, again.seeds) == (cases.sample_ids, cases.seeds)
    assert again.labels.tolist() == cases.labels.tolist()
    assert list(again.predicted) == ["control", "imil"]
    for arm in again.predicted:
        assert again.predicted[arm].tolist() == cases.predicted[arm].tolist()
        assert again.confidence[arm].tolist() == cases.confidence[arm].tolist()


def test_a_round_of_an_older_version_has_none() -> None:
    assert load_cases(MemoryStore(), "s1", key="k", classes=CLASSES) is None


def test_a_damaged_file_and_other_classes_are_refused(cases: Cases) -> None:
    content = encode_cases(cases, CLASSES)

    with pytest.raises(StoreError, match=r"file of answers is damaged"):
        decode_cases(content[:-30], CLASSES)
    with pytest.raises(StoreError, match=r"file of answers is damaged"):
        decode_cases(content, ("a", "b"))
