from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from imil.errors import StoreError
from imil.storage.records.acts import Act, ActKind, ChainFlaw, act_file
from imil.study.audit.act_log import ActLog, broken_content
from tests.standins.memory_store import MemoryStore

STUDY = "a" * 32
NOW = "2026-11-25T10:00:00+00:00"


class FullStore(MemoryStore):
    """A store that can be full."""

    full = False

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:
        if self.full:
            raise StoreError("It could not be saved.", why="The disk is full.", fix="Free some.")
        super().add(name, content, shown=shown)


def act(who: str = "reader") -> Act:
    return Act(ActKind.SKIPPED, NOW, who)


def whats(log: ActLog) -> list[str]:
    return [str(each.what) for each in log.read().acts]


def test_acts_are_numbered_and_chained_across_restarts() -> None:
    store = MemoryStore()
    ActLog(store, STUDY).append(act("one"))

    ActLog(store, STUDY).append(act("two"))

    chain = ActLog(store, STUDY).read()
    assert [(each.seq, each.who) for each in chain.acts] == [(0, "one"), (1, "two")]
    assert chain.acts[1].previous == chain.acts[0].digest
    assert chain.broken is None


def test_what_is_made_in_the_background_comes_in_its_order_and_holds_nothing_up() -> None:
    log = ActLog(MemoryStore(), STUDY)
    held = threading.Event()

    def slow() -> Act:
        held.wait(10)
        return act("made first")

    log.later(act(), slow)
    log.later(act(), lambda: act("made second"))
    log.append(act("at once"))
    before = [each.who for each in log.read().acts]
    held.set()
    settled = log.flush()

    assert before == ["at once"]
    assert settled
    assert [each.who for each in log.read().acts] == ["at once", "made first", "made second"]


def test_two_processes_write_one_chain() -> None:
    store = MemoryStore()
    one, other = ActLog(store, STUDY), ActLog(store, STUDY)

    for turn in range(3):
        one.append(act(f"one {turn}"))
        other.append(act(f"other {turn}"))

    chain = one.read()
    assert chain.broken is None
    assert [each.who for each in chain.acts][-2:] == ["one 2", "other 2"]
    assert len(chain.acts) == 6


def test_many_threads_write_one_chain() -> None:
    log = ActLog(MemoryStore(), STUDY)
    threads = [threading.Thread(target=log.append, args=(act(str(i)),)) for i in range(16)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    chain = log.read()
    assert (len(chain.acts), chain.broken) == (16, None)


def test_an_act_that_could_not_be_written_is_told_of_by_the_next() -> None:
    store = FullStore()
    log = ActLog(store, STUDY)
    log.append(act("before"))
    store.full = True
    log.append(act("lost"))
    store.full = False

    log.append(act("after"))

    _, gap, after = log.read().acts
    assert (gap.what, after.who) == (ActKind.GAP, "after")
    assert gap.details["why"] == "It could not be saved."
    assert gap.details["not_written"] == [{"what": "skipped", "time": NOW, "who": "lost"}]


def test_what_was_done_unseen_is_told_first_and_once() -> None:
    store = MemoryStore()

    def catch_up(acts: tuple[Act, ...]) -> Sequence[Act]:
        return () if acts else (Act(ActKind.STUDY_BEGUN, NOW),)

    ActLog(store, STUDY, catch_up=catch_up).append(act())
    again = ActLog(store, STUDY, catch_up=catch_up)
    again.append(act())

    assert whats(again) == ["study_begun", "skipped", "skipped"]


def test_a_log_that_nobody_wrote_to_has_no_files() -> None:
    store = MemoryStore()

    assert ActLog(store, STUDY).read().acts == ()
    assert store.names("") == ()


def test_writing_goes_on_after_a_changed_act_which_stays_found_out() -> None:
    store = MemoryStore()
    log = ActLog(store, STUDY)
    for who in ("one", "two"):
        log.append(act(who))
    known = log.head
    edited = store.read(act_file(STUDY, 1)) or b""
    store.write(act_file(STUDY, 1), edited.replace(b"two", b"six"))

    reopened = ActLog(store, STUDY, known=known)
    reopened.append(act("three"))

    broken = reopened.read().broken
    assert broken is not None
    assert (broken.seq, broken.flaw) == (1, ChainFlaw.CHANGED)
    assert reopened.head is None  # nothing vouches for this log any more


def test_a_log_that_was_cut_off_stays_so_when_it_grows_again() -> None:
    store = MemoryStore()
    log = ActLog(store, STUDY)
    for who in ("one", "two", "three"):
        log.append(act(who))
    short = MemoryStore()
    short.add(act_file(STUDY, 0), store.read(act_file(STUDY, 0)) or b"")

    reopened = ActLog(short, STUDY, known=log.head)
    first = reopened.read().broken
    for who in ("four", "five", "six"):
        reopened.append(act(who))

    second = reopened.read().broken
    assert first is not None
    assert first.flaw is ChainFlaw.CUT
    assert second is not None
    assert second.told == "Act 2 is not the one that was saved: the log was written anew."


@pytest.mark.parametrize("content", [b"changed", None])
def test_a_file_that_an_act_names_must_be_the_one_it_named(content: bytes | None) -> None:
    store = MemoryStore()
    if content is not None:
        store.add("data/masks/a", content)
    told = Act(ActKind.MASK_ACCEPTED, NOW, details={"files": {"data/masks/a": "0" * 64}}, seq=3)

    assert broken_content(store, [told]) == (3, "data/masks/a")
