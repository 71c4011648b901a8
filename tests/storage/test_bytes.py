"""What is written stays the same, byte by byte: digests, chains and equal files depend on it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

from imil.core.arms.variants import CONTROL, IMIL
from imil.core.evaluation.differences import Difference
from imil.core.evaluation.metrics import Interval, Metric
from imil.core.evaluation.recommendation import Candidate, Recommendation
from imil.core.evaluation.rounds import Advice, ArmFigures, Paired, Round
from imil.core.evaluation.verdict import Change, Verdict
from imil.core.records import EpochFigures, Split
from imil.storage.local import LocalStore
from imil.storage.records.accounts import ListedStudy, load_listed, owner_of, save_listed, set_owner
from imil.storage.records.acts import Act, ActKind, chained, encode_act, first_link, read_act
from imil.storage.records.images import Shard, load_shards, save_shards
from imil.storage.records.studies import (
    Comparison,
    Consent,
    load_round,
    load_study,
    save_round,
    save_study,
)
from imil.storage.records.tombstones import Tombstone, load_tombstone, save_tombstone
from tests.storage.records.test_studies import RECORD

NONE = math.nan
FIGURES = dict.fromkeys(Metric, Interval(0.75, 0.5, NONE))
ROUND = Round(
    number=1,
    split=Split.VALIDATION,
    images=20,
    patients=None,
    seeds=(0, 1),
    seed_scope="train_on",
    majority_rate=0.5,
    masked=(4, 4),
    allowed=8,
    training_images=100,
    test_openings=0,
    arms=tuple(
        ArmFigures(
            name,
            values=dict.fromkeys(Metric, (0.75, NONE)),
            figures=FIGURES,
            confusion=((9, 1), (2, 8)),
            curves=(EpochFigures(1, 0.5, 0.8, NONE, 0.9),),
        )
        for name in (CONTROL, IMIL)
    ),
    paired=(
        Paired(
            IMIL,
            differences={Metric.ACCURACY: Change(1.5, -0.5, NONE)},
            verdict=Verdict.NO_CLEAR_DIFFERENCE,
            exploratory=False,
            independent=Change(2.5, 0.5, 4.5, 0.99, 0.01),
        ),
    ),
    notices=("Ä “quoted” notice.",),
    advice=Advice(
        Recommendation(IMIL, (IMIL,), (), Difference(2.0, 1.0, 3.0)),
        (Candidate(IMIL, (0.5, NONE), (0.5,), Difference(2.0, 1.0, 3.0), (NONE,), 4),),
    ),
)
ACT = chained(
    Act(
        ActKind.MASK_ACCEPTED,
        "2026-11-01T10:00:00+00:00",
        who="Ada Łovelace",
        sample_id="a",
        details={"files": {"data/masks/x.parquet": "00"}, "acts": 3, "b": [1, 2.5, None, NONE]},
        p_before=0.25,
        seconds=3,
    ),
    seq=0,
    previous=first_link("abc"),
)


def digest(content: bytes | None) -> str:
    return hashlib.sha256(content or b"").hexdigest()[:16]


def test_every_kind_of_file_is_written_as_ever_and_read_again(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    record = replace(RECORD, head=ACT.head, earlier=(Comparison((CONTROL,), (1,), ()),))
    record = replace(record, consent=Consent("alice/state", "Ada", "2026-11-01T10:00:00+00:00"))
    listed = (ListedStudy("abc", "Films", "2026-11-01T00:00:00+00:00"),)
    tombstone = Tombstone("gone", "2026-11-01T00:00:00+00:00", "Ada", 1, ACT.head)
    shards = (Shard("data/images/202611/x-abc.parquet", 12),)

    save_study(store, record)
    save_round(store, "abc", ROUND, key="first")
    save_listed(store, "key", listed)
    set_owner(store, "abc", "key")
    save_tombstone(store, tombstone)
    save_shards(store, "abc", shards)
    store.add("studies/abc/acts/00000000.json", encode_act(ACT))

    written = {name: digest(store.read(name)) for name in store.names("")}
    assert written == WRITTEN
    assert load_study(store, "abc") == record
    assert repr(load_round(store, "abc", key="first")) == repr(ROUND)  # NaN is not equal to NaN
    assert load_listed(store, "key") == listed
    assert owner_of(store, "abc") == "key"
    assert load_tombstone(store, "gone") == tombstone
    assert load_shards(store, "abc") == shards
    assert read_act(encode_act(ACT)) == ACT


WRITTEN = {
    "accounts/key.json": "0a7b0b22c432f5d2",
    "studies/abc/acts/00000000.json": "e5ff9c544e6812b3",
    "studies/abc/images.json": "4b7f93f991944682",
    "studies/abc/owner.json": "a3f74a24301a5786",
    "studies/abc/rounds/first.json": "367c1213c619ceee",
    "studies/abc/study.json": "0985b6ef034fb686",
    "studies/gone/tombstone.json": "94208a5c337f40ea",
}
