"""A Hub that goes away, forgets, or does not answer costs no mask and holds up no visitor."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from imil.errors import StoreError
from imil.storage.codec import MaskRecord, decode_masks
from imil.storage.hub.background import BackgroundReads
from imil.storage.hub.outbox import Pace
from imil.storage.hub.store import HubStore
from imil.storage.local import LocalStore
from imil.study.review.mask_book import MaskBook
from tests.standins.fakehub import FakeHub, Fault
from tests.storage.hub_disks import PACE, REPO, files, hub_store, make_anew, until

# The client closes its connections when one of them is cut, whoever is using them.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
VISITORS = tuple(f"visitor{number}" for number in range(6))
MASKS = 12
STUDY = "studies/abc/study.json"
# A Hub that is looked at all the time.
LOOKING = replace(PACE, look=0.05)
# Ten seconds become half of one; how long a stalled Hub stays silent.
PATIENCE = 0.2
STALL = 0.7


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        yield running


def begin(store: HubStore, study: str = "visitor0") -> None:
    store.write(f"studies/{study}/study.json", b"{}")
    draw(store, study, range(3))
    until(lambda: store.saved(study).waiting == 0 and store.saved(study).ago is not None)


def draw(store: HubStore, study: str, numbers: range) -> None:
    """Keep a mask of a study for each number."""
    book = MaskBook(store, study)
    for number in numbers:
        irrelevant = np.zeros((8, 8), np.bool_)
        irrelevant.flat[: number + 1] = True
        time = NOON + timedelta(seconds=number)
        book.add(MaskRecord(study, f"film{number}", irrelevant, "a", "b", 0.5, "r", 1.0, 1, time))


def draw_all(store: HubStore, numbers: range) -> None:
    with ThreadPoolExecutor(len(VISITORS)) as visitors:
        list(visitors.map(lambda study: draw(store, study, numbers), VISITORS))


def all_sent(store: HubStore) -> bool:
    told = [store.saved(study) for study in VISITORS]
    return all(saved.waiting == 0 and saved.ago is not None for saved in told)


def masks_on(hub: FakeHub) -> Counter[tuple[str, str, int]]:
    """Return how often each mask is a row of the data set's table: study, film, pixels."""
    shards = [data for path, data in files(hub).items() if path.startswith("data/masks/2")]
    rows = [mask for shard in shards for mask in decode_masks(shard)]
    return Counter((row.study, row.sample_id, int(row.irrelevant.sum())) for row in rows)


EVERY = Counter(
    (study, f"film{number}", number + 1) for study in VISITORS for number in range(MASKS)
)


# ---- a data set that was deleted and made anew ---------------------------------------------------


def test_all_masks_are_on_a_data_set_made_anew_while_visitors_draw(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path / "app") as store:
        for study in VISITORS:
            store.write(f"studies/{study}/study.json", b"{}")
        draw_all(store, range(MASKS // 2))
        until(lambda: all_sent(store))
        make_anew(hub)
        draw_all(store, range(MASKS // 2, MASKS))
        until(lambda: masks_on(hub).keys() == EVERY.keys() and all_sent(store))

    assert masks_on(hub) == EVERY
    assert {"README.md", "imil.json"} <= files(hub).keys()
    with hub_store(hub, tmp_path / "empty") as again:
        assert [len(MaskBook(again, study)) for study in VISITORS] == [MASKS] * len(VISITORS)


def test_it_is_noticed_although_nobody_draws(hub: FakeHub, tmp_path: Path) -> None:
    with hub_store(hub, tmp_path, pace=LOOKING) as store:
        begin(store)
        make_anew(hub)
        until(lambda: len(masks_on(hub)) == 3)


def test_it_is_noticed_after_a_restart(hub: FakeHub, tmp_path: Path) -> None:
    with hub_store(hub, tmp_path) as store:
        begin(store)
    make_anew(hub)

    with hub_store(hub, tmp_path, pace=LOOKING) as store:
        until(lambda: len(masks_on(hub)) == 3)
        until(lambda: store.saved("visitor0").waiting == 0)
        sent = len(hub.repos[f"datasets/{REPO}"].history)

    # Once, and not again at each look.
    with hub_store(hub, tmp_path, pace=LOOKING):
        looks = len(hub.log)
        until(lambda: len(hub.log) > looks + 3)
    assert len(hub.repos[f"datasets/{REPO}"].history) == sent


def test_while_it_is_gone_this_is_said_and_all_that_was_drawn_comes_back(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path) as store:
        begin(store)
        hub.delete(REPO, kind="datasets")
        draw(store, "visitor0", range(3, 5))
        until(lambda: store.saved("visitor0").trouble is not None)
        assert store.saved("visitor0").waiting == 2

        hub.put(REPO, {}, kind="datasets", private=True)
        until(lambda: len(masks_on(hub)) == 5)
        until(lambda: store.saved("visitor0").waiting == 0)
        assert store.saved("visitor0").trouble is None


def test_a_full_disk_in_the_midst_of_it_costs_nothing(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Event()

    def write(name: str, content: bytes) -> None:
        if not full.is_set():
            full.set()
            raise StoreError("The disk is full.", why="", fix="")
        LocalStore.write(store._side, name, content)

    with hub_store(hub, tmp_path) as store:
        begin(store)
        monkeypatch.setattr(store._side, "write", write)
        make_anew(hub)
        draw(store, "visitor0", range(3, 4))
        until(lambda: len(masks_on(hub)) == 4)
        until(lambda: store.saved("visitor0").waiting == 0)

    assert full.is_set()


def test_another_apps_deletion_is_not_taken_for_a_data_set_made_anew(
    hub: FakeHub, tmp_path: Path
) -> None:
    # It takes the past away, so that the last commit that this app has seen is gone, too.
    with hub_store(hub, tmp_path / "one") as one, hub_store(hub, tmp_path / "two") as two:
        begin(one)
        begin(one, "visitor1")
        assert two.of_study("visitor0")
        two.forget("visitor0")
        until(lambda: len(masks_on(hub)) == 3)
        draw(one, "visitor1", range(3, 4))
        until(lambda: len(masks_on(hub)) == 4)
        until(lambda: one.saved("visitor1").waiting == 0)

    assert {study for study, *_ in masks_on(hub)} == {"visitor1"}
    assert not any("visitor0" in path for path in files(hub))


def test_pictures_that_may_be_shown_and_names_of_no_study_are_sent_again_too(
    hub: FakeHub, tmp_path: Path
) -> None:
    shown, hidden = (f"data/masks/202611/20261101T120000000000-0-{s}.parquet" for s in ("abc", "b"))
    with hub_store(hub, tmp_path, pace=LOOKING) as store:
        store.write(STUDY, b"{}")
        store.write("notes", b"of no study")
        store.write("studies/b/study.json", b"{}")
        for name in (shown, hidden):
            store.add(name, b"without", shown=b"with its picture")
        until(lambda: files(hub).get(hidden) == b"with its picture")
        store.hide("b")
        make_anew(hub)
        until(lambda: {shown, hidden, "notes"} <= files(hub).keys())

    assert (files(hub)[shown], files(hub)[hidden]) == (b"with its picture", b"without")
    assert files(hub)["notes"] == b"of no study"


# ---- a Hub that does not answer ------------------------------------------------------------------


@pytest.fixture
def elsewhere(hub: FakeHub, tmp_path: Path) -> FakeHub:
    """A Hub that has a study which no disk has, and is silent from now on."""
    with hub_store(hub, tmp_path / "old") as store:
        store.write(STUDY, b"{}")
        store.add("studies/abc/acts/00000000.json", b"act")
        until(lambda: store.saved("abc").ago is not None)
    hub.log.clear()
    hub.faults.append(Fault("", times=10**6, stall=STALL))
    return hub


@contextmanager
def asking(hub: FakeHub, home: Path, *, pace: Pace = PACE) -> Iterator[HubStore]:
    """Open a machine's store whose visitors wait for the Hub no longer than a test does."""
    reads = BackgroundReads(patience=PATIENCE, brief=PATIENCE / 4)
    with hub_store(hub, home, pace=pace, reads=reads) as store:
        try:
            yield store
        finally:
            hub.faults.clear()


def test_a_study_that_is_elsewhere_is_refused_soon_and_there_on_a_later_try(
    elsewhere: FakeHub, tmp_path: Path
) -> None:
    with asking(elsewhere, tmp_path / "new") as store:
        begun = time.monotonic()
        with pytest.raises(StoreError, match="does not answer"):
            store.read(STUDY)
        assert time.monotonic() - begun < STALL

        def read() -> bytes | None:
            try:
                return store.read(STUDY)
            except StoreError:
                return None

        until(lambda: read() == b"{}")
        assert store.read("studies/abc/acts/00000000.json") == b"act"
    # However often somebody tried meanwhile, each file was asked for once.
    assert max(Counter(elsewhere.log).values()) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.there([STUDY]),
        lambda store: store.published("abc"),
        lambda store: store.names("studies/abc/"),
        lambda store: store.of_study("abc"),
    ],
    ids=["there", "published", "names", "of_study"],
)
def test_nothing_that_a_page_asks_for_waits_longer(
    elsewhere: FakeHub, tmp_path: Path, ask: Callable[[HubStore], object]
) -> None:
    with asking(elsewhere, tmp_path / "new") as store:
        begun = time.monotonic()
        with pytest.raises(StoreError, match="does not answer"):
            ask(store)
        assert time.monotonic() - begun < STALL


def test_what_is_on_this_disk_is_shown_and_drawn_on_without_the_hub(
    elsewhere: FakeHub, tmp_path: Path
) -> None:
    with asking(elsewhere, tmp_path / "old", pace=Pace(flush=0)) as store:
        assert store.read(STUDY) == b"{}"
        assert store.read("studies/abc/tombstone.json") is None
        assert store.there([STUDY]) == {STUDY}
        for study in ("abc", "begun"):
            store.write(f"studies/{study}/study.json", b"{}")
            draw(store, study, range(2))
            assert len(MaskBook(store, study)) == 2
        assert not any("/tree/" in call or "/resolve/" in call for call in elsewhere.log)


def test_a_study_that_is_deleted_while_it_is_fetched_does_not_come_back(
    elsewhere: FakeHub, tmp_path: Path
) -> None:
    with asking(elsewhere, tmp_path / "new") as store:
        with pytest.raises(StoreError, match="does not answer"):
            store.read(STUDY)
        store.forget("abc")
        elsewhere.faults.clear()
        until(lambda: not store._reads._asked)

        assert store.read(STUDY) is None
        assert LocalStore(tmp_path / "new" / "store").names("") == ()
