from __future__ import annotations

import json
import math

import numpy as np
import pytest

from imil.core.arms.variants import CONTROL, IMIL
from imil.core.evaluation.comparison import (
    RoundContext,
    Trained,
    Validation,
    clusters_of,
    evaluate_round,
)
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import Round
from imil.core.evaluation.verdict import Verdict
from imil.core.records import (
    Deployment,
    EpochFigures,
    LabelDecision,
    Plan,
    Sample,
    Selection,
    Split,
    Triage,
)
from imil.errors import StoreError
from imil.storage.records.studies import (
    Comparison,
    Confirmation,
    StudyRecord,
    load_round,
    load_study,
    round_file,
    round_to_json,
    save_round,
    save_study,
    study_file,
)
from tests.standins.memory_store import MemoryStore

RECORD = StudyRecord(
    "abc",
    "Films",
    "2026-11-01T00:00:00+00:00",
    {"kind": "demo"},
    Plan(seed=3),
    started=True,
    skips={"visitor": ("a", "b"), "Ada": ("b",)},
    comparison=Comparison(
        (CONTROL, IMIL),
        (0, 1),
        ("data/masks/x.parquet",),
        (Triage("c", LabelDecision.EXCLUDE),),
        readers=("visitor", "Ada"),
        pooling="union",
    ),
    test_openings=2,
    notices=("No pretrained weights.",),
    selection=Selection.PERSISTENT,
    folds=True,
    triage=(Triage("a", LabelDecision.RELABEL, "finding"), Triage("b", LabelDecision.KEEP)),
    confirmation=Confirmation("0123456789ab", "reader 1", "2026-11-01T10:00:00+00:00"),
    pooling="majority",
    unblinded="2026-11-01T11:00:00+00:00",
    deployment=Deployment.ELSEWHERE,
)


def finished() -> Round:
    samples = [Sample(str(i), i % 2, Split.VALIDATION, patient=f"p{i // 2}") for i in range(20)]
    labels = np.array([s.label for s in samples])
    logits = np.eye(2)[labels] * 2 - 1
    logits[:3] *= -1
    curves = ((EpochFigures(1, 0.5, 0.8, 0.4, 0.9),),)
    trained = {
        CONTROL: Trained((logits,), curves),
        IMIL: Trained((np.eye(2)[labels],), curves),
    }
    setting = RoundContext(1, Split.VALIDATION, (0,), "train_on", (4,), 8, 100, 0)
    return evaluate_round(
        trained, samples, setting, Validation(trained, labels, clusters_of(samples))
    )


def test_a_study_comes_back_as_it_was() -> None:
    store = MemoryStore()
    save_study(store, RECORD)

    assert load_study(store, "abc") == RECORD


def test_a_study_from_before_predictions_were_confirmed_has_no_confirmation() -> None:
    store = MemoryStore()
    save_study(store, RECORD)
    saved = json.loads(store.read(study_file("abc")) or b"")
    del saved["confirmation"]
    store.write(study_file("abc"), json.dumps(saved).encode())

    found = load_study(store, "abc")

    assert found is not None
    assert found.confirmation is None


def test_a_study_from_before_it_was_asked_where_the_model_will_work_is_unsure() -> None:
    store = MemoryStore()
    save_study(store, RECORD)
    saved = json.loads(store.read(study_file("abc")) or b"")
    del saved["deployment"]
    store.write(study_file("abc"), json.dumps(saved).encode())

    found = load_study(store, "abc")

    assert found is not None
    assert found.deployment is Deployment.UNSURE


def test_a_study_from_before_there_were_several_readers_has_an_unnamed_one() -> None:
    store = MemoryStore()
    save_study(store, RECORD)
    saved = json.loads(store.read(study_file("abc")) or b"") | {"schema_version": 1}
    for name in ("skips", "pooling", "unblinded"):
        del saved[name]
    for name in ("readers", "pooling"):
        del saved["comparison"][name]
    store.write(study_file("abc"), json.dumps(saved | {"skipped": ["a", "b"]}).encode())

    found = load_study(store, "abc")

    assert found is not None
    assert found.skips == {"visitor": ("a", "b")}
    assert (found.pooling, found.unblinded) == ("", "")
    assert found.comparison is not None
    assert (found.comparison.readers, found.comparison.pooling) == ((), "")


def test_a_study_that_never_was_is_none() -> None:
    assert load_study(MemoryStore(), "abc") is None


def test_a_damaged_study_is_not_taken_for_a_new_one() -> None:
    store = MemoryStore()
    store.write(study_file("abc"), b'{"schema_version": 1, "study')

    with pytest.raises(StoreError, match=r"study is damaged.*Restore it"):
        load_study(store, "abc")


def test_a_study_of_a_newer_version_is_refused() -> None:
    store = MemoryStore()
    store.write(study_file("abc"), b'{"schema_version": 99}')

    with pytest.raises(StoreError, match=r"newer version.*Update IMIL"):
        load_study(store, "abc")


def test_a_round_comes_back_as_it_was() -> None:
    store, before = MemoryStore(), finished()
    save_round(store, "abc", before, key="first")

    assert load_round(store, "abc", key="first") == before
    assert load_round(store, "abc", key="second") is None


def test_a_round_from_before_there_were_two_questions_says_the_same_in_todays_words() -> None:
    store, before = MemoryStore(), finished()
    save_round(store, "abc", before, key="first")
    saved = json.loads(store.read(round_file("abc", "first")) or b"")
    del saved["deployment"]
    for paired in saved["paired"]:
        del paired["independent"]
        paired |= {"verdict": "not_shown", "levels": {"accuracy": 0.975, "balanced_accuracy": 0.95}}
        for difference in paired["differences"].values():
            del difference["level"], difference["p"]
    store.write(round_file("abc", "first"), json.dumps(saved).encode())

    found = load_round(store, "abc", key="first")

    assert found is not None
    (paired,) = found.paired
    assert (paired.verdict, paired.independent) == (Verdict.NO_CLEAR_DIFFERENCE, None)
    assert paired.differences[Metric.ACCURACY].level == 0.975
    assert paired.differences[Metric.BALANCED_ACCURACY].level == 0.95
    assert found.deployment is Deployment.UNSURE


def test_a_round_counts_patients_and_compares_with_control() -> None:
    found = finished()

    assert (found.images, found.patients, found.majority_rate) == (20, 10, 0.5)
    assert found.paired[0].differences[Metric.ACCURACY].points == pytest.approx(15.0)
    assert found.arms[0].values[Metric.ACCURACY] == (0.85,)


def test_a_figure_that_cannot_be_given_is_null() -> None:
    found = round_to_json(finished())

    assert "NaN" not in json.dumps(found)
    assert not any(math.isnan(v) for v in found["arms"][0]["values"]["accuracy"])
