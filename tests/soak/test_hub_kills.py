"""What was acknowledged is in the data set once, whatever the Hub and the machine do."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imil.storage.codec import decode_masks
from imil.study.review.mask_book import MaskBook
from tests.standins.fakehub import FakeHub, Fault
from tests.standins.hub_writer import SAVES, SHARED, VISITORS, acknowledged, begin_writer, opened
from tests.storage.hub_disks import until

# The client closes its connections when one of them is cut, whoever is using them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Record = Callable[[dict[str, Any]], None]
REPO = "lab/state"
SIZES = [
    pytest.param(3, id="small", marks=pytest.mark.slow),
    pytest.param(50, id="long", marks=pytest.mark.soak),
]
COMMIT = "POST .*/commit/"
FAULTS = {
    "429": Fault(COMMIT, status=429),
    "503": Fault(COMMIT, status=503),
    "409": Fault(COMMIT, status=409),
    "412": Fault(COMMIT, status=412),
    "never arrived": Fault(COMMIT, drop="before"),
    "upload dropped": Fault(COMMIT, drop="middle"),
    "answer lost": Fault(COMMIT, drop="after"),
    "stalled": Fault(COMMIT, stall=2.0),
    "large upload dropped": Fault("PUT /stored/", drop="middle"),
    "read refused": Fault("GET .*/resolve/", status=503),
}


@pytest.mark.parametrize("kills", SIZES)
def test_every_acknowledged_mask_is_on_the_hub_once(
    kills: int, tmp_path: Path, record: Record
) -> None:
    chance = random.Random(0)
    killed, other = tmp_path / "killed", tmp_path / "other"
    hit: Counter[str] = Counter()
    with FakeHub(commit_seconds=0.05) as hub:
        hub.put(REPO, {}, kind="datasets", private=True)
        beside = begin_writer(other, REPO, hub.endpoint, life=0)
        for life in range(kills):
            for name in chance.sample(sorted(FAULTS), 4):
                hub.faults.append(_copy(FAULTS[name]))
                hit[name] += 1
            # After so many more masks, none among them, and then at any moment.
            enough = len(acknowledged(killed)) + chance.randrange(VISITORS * SAVES)
            process = begin_writer(killed, REPO, hub.endpoint, life=life)
            until(lambda enough=enough: len(acknowledged(killed)) >= enough)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.5))
            process.kill()
            process.join()
            if not beside.is_alive():
                beside = begin_writer(other, REPO, hub.endpoint, life=life + 1)
        beside.join()
        hub.faults.clear()
        for home in (killed, other):
            with opened(home, REPO, hub.endpoint) as store:
                until(lambda store=store: not store._outbox.waiting())  # type: ignore[misc]  # now
        told = acknowledged(killed) | acknowledged(other)
        files = hub.repos[f"datasets/{REPO}"].files
        masks = [
            mask
            for path, file in files.items()
            if path.startswith("data/masks/2")
            for mask in decode_masks(file.data)
        ]
        with opened(tmp_path / "empty", REPO, hub.endpoint) as again:
            some = {SHARED, *chance.sample(sorted({study for study, _ in told}), 5)}
            books = {study: MaskBook(again, study) for study in sorted(some)}
        commits = len(hub.repos[f"datasets/{REPO}"].history) - 1

    times = Counter((mask.study, mask.sample_id) for mask in masks)
    painted = {(mask.study, mask.sample_id): int(mask.irrelevant.sum()) for mask in masks}
    lost = [mask for mask in told if painted.get(mask) != told[mask]]
    twice = [mask for mask, count in times.items() if count > 1]
    opened_again = [(study, film) for study, film in told if study in books]
    not_there = [film for study, film in opened_again if film not in books[study]]
    record(
        {
            "kills": kills,
            "visitors": VISITORS,
            "saves_each_life": SAVES,
            "faults_laid": dict(sorted(hit.items())),
            "commits": commits,
            "acknowledged": len(told),
            "of_the_process_beside": len(acknowledged(other)),
            "on_the_hub": len(masks),
            "lost": len(lost),
            "twice": len(twice),
            "of_them_opened_on_an_empty_disk": len(opened_again),
            "not_there": len(not_there),
        }
    )
    assert acknowledged(killed)
    assert len(acknowledged(other)) >= VISITORS * SAVES
    assert (lost, twice, not_there) == ([], [], [])


def _copy(fault: Fault) -> Fault:
    """Return the fault to be used up once more."""
    return Fault(fault.match, status=fault.status, drop=fault.drop, stall=fault.stall)
