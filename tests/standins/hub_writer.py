"""A process of its own whose visitors save masks into a store on the Hub, until it is killed."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np

from imil.errors import StoreError
from imil.storage.codec import MaskRecord
from imil.storage.hub.outbox import Pace
from imil.storage.hub.repo import HubRepo, prepare_client
from imil.storage.hub.store import HubStore
from imil.storage.local import LocalStore
from imil.study.review.mask_book import MaskBook
from tests.standins.fakehub import TOKEN

VISITORS = 24
SAVES = 3
# Both processes paint in it.
SHARED = "shared"
# Thirty seconds between commits become a tenth of one, so that a kill often meets one.
PACE = Pace(interval=0.1, first=0.02, most=0.5, quota=0.2, flush=60)
# Longest that an answer is waited for, s: a stalled one is given up.
ANSWER = 1.0


@contextmanager
def opened(home: Path, repo: str, endpoint: str) -> Iterator[HubStore]:
    """Give the store of a machine; what waits is sent at the end."""
    prepare_client(ANSWER)
    local, data_set = LocalStore(home / "store"), HubRepo(repo, TOKEN, endpoint=endpoint)
    store = HubStore(local, home / "hub", data_set, pace=PACE)
    try:
        yield store
    finally:
        store.close()


def begin_writer(home: Path, repo: str, endpoint: str, *, life: int) -> ForkServerProcess:
    """Start a process in which all visitors save; it writes down what was acknowledged."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_live, args=(home, repo, endpoint, life), daemon=True)
    process.start()
    return process


def acknowledged(home: Path) -> dict[tuple[str, str], int]:
    """Return the masks that visitors were told are saved: study and image → pixels hidden."""
    told = home / "acknowledged"
    lines = told.read_text().splitlines() if told.exists() else []
    return {(study, film): int(pixels) for study, film, pixels in map(str.split, lines)}


def _live(home: Path, repo: str, endpoint: str, life: int) -> None:
    home.mkdir(parents=True, exist_ok=True)
    told = os.open(home / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with opened(home, repo, endpoint) as store:
        visits = [
            threading.Thread(target=_visit, args=(store, home.name, visitor, life, told))
            for visitor in range(VISITORS)
        ]
        for visit in visits:
            visit.start()
        for visit in visits:
            visit.join()


def _visit(store: HubStore, home: str, visitor: int, life: int, told: int) -> None:
    """Save some masks in the visitor's own study; the first visitor's is the shared one."""
    chance = random.Random(f"{home} {visitor} {life}")
    study = f"{home}{visitor}" if visitor else SHARED
    book = _opened_study(store, study)
    for number in range(SAVES):
        time.sleep(chance.uniform(0, 0.3))
        irrelevant = np.zeros((16, 16), np.bool_)
        irrelevant.flat[: chance.randrange(1, 256)] = True
        film = f"{home}-{visitor}-{life}-{number}"
        now = datetime.now(UTC)
        book.add(MaskRecord(study, film, irrelevant, "a", "b", 0.5, "r", 1.0, 1, now))
        # One write, so that no other visitor's line comes in between.
        os.write(told, f"{study} {film} {int(irrelevant.sum())}\n".encode())


def _opened_study(store: HubStore, study: str) -> MaskBook:
    """Open a study or begin it, again and again while the Hub does not say which."""
    own = f"studies/{study}/study.json"
    while True:
        try:
            if store.read(own) is None:
                store.write(own, b"{}")
            return MaskBook(store, study)
        except StoreError:
            time.sleep(0.1)
