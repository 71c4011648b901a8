"""Disks in front of one data set: each is a machine that keeps its state on the Hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imil.storage.hub.background import BackgroundReads
from imil.storage.hub.outbox import Pace
from imil.storage.hub.repo import HubRepo, prepare_client
from imil.storage.hub.store import HubStore
from imil.storage.local import LocalStore
from tests.standins.fakehub import TOKEN, FakeHub

REPO = "lab/state"
NOWHERE = "http://127.0.0.1:9"
# Thirty seconds between commits become a fiftieth of one.
PACE = Pace(interval=0.02, first=0.01, most=0.2, quota=0.1, flush=20)


@contextmanager
def hub_store(
    hub: FakeHub,
    home: Path,
    *,
    token: str = TOKEN,
    pace: Pace = PACE,
    endpoint: str | None = None,
    side: Path | None = None,
    reads: BackgroundReads | None = None,
) -> Iterator[HubStore]:
    """Open a machine's store; the data set is made where there is none."""
    if not any(key.endswith(f"/{REPO}") for key in hub.repos):
        hub.put(REPO, {}, kind="datasets", private=True)
    prepare_client(2.0)
    store = HubStore(
        LocalStore(home / "store"),
        side or home / "hub",
        HubRepo(REPO, token, endpoint=endpoint or hub.endpoint),
        pace=pace,
        reads=reads,
    )
    try:
        yield store
    finally:
        store.close()
        # One that is given up in the middle of a request ends with it.
        store._committer._thread.join()
        until(lambda: not store._reads._asked)


def files(hub: FakeHub) -> dict[str, bytes]:
    """Return what is in the data set."""
    return {path: file.data for path, file in hub.repos[f"datasets/{REPO}"].files.items()}


def make_anew(hub: FakeHub) -> None:
    """Delete the data set, and make another one of its name."""
    hub.delete(REPO, kind="datasets")
    hub.put(REPO, {}, kind="datasets", private=True)


def commits(hub: FakeHub) -> int:
    """Return how many commits were made since the data set was put there."""
    return len(hub.repos[f"datasets/{REPO}"].history) - 1


def until(condition: Callable[[], object]) -> None:
    """Wait for what a thread is about to do."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
