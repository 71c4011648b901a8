from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from imil.storage.hub.background import (
    ANSWER_TIMEOUT,
    BRIEF_TIMEOUT,
    BackgroundReads,
    NoAnswerYetError,
)
from tests.storage.hub_disks import until


def answers_when(ready: threading.Event, asked: list[str]) -> Callable[[], str]:
    def ask() -> str:
        asked.append("")
        assert ready.wait(30)
        return "the answer"

    return ask


def test_a_page_that_asks_several_times_is_told_within_ten_seconds() -> None:
    assert ANSWER_TIMEOUT + 4 * BRIEF_TIMEOUT < 10


def test_an_answer_is_given_and_asked_for_anew_each_time() -> None:
    reads, asked = BackgroundReads(), list[str]()
    ready = threading.Event()
    ready.set()

    assert [reads.get("a", answers_when(ready, asked)) for _ in range(2)] == ["the answer"] * 2
    assert len(asked) == 2


def test_whoever_comes_back_gets_the_answer_to_the_same_question() -> None:
    reads, asked, ready = BackgroundReads(patience=0.05, brief=0.05), list[str](), threading.Event()
    for _ in range(3):
        with pytest.raises(NoAnswerYetError):
            reads.get("a", answers_when(ready, asked))
    threading.Timer(0.05, ready.set).start()

    assert BackgroundReads.get(_patient(reads), "a", answers_when(ready, asked)) == "the answer"
    assert len(asked) == 1


def test_other_questions_wait_briefly_while_an_answer_is_overdue_and_no_longer_after_it() -> None:
    reads, ready = BackgroundReads(patience=0.6, brief=0.01), threading.Event()
    for key in ("a", "b", "c"):
        begun = time.monotonic()
        with pytest.raises(NoAnswerYetError):
            reads.get(key, answers_when(ready, []))
    assert time.monotonic() - begun < 0.6

    ready.set()
    until(lambda: not reads._asked)
    assert reads.get("d", lambda: time.sleep(0.1)) is None


def test_no_more_questions_are_asked_at_once_than_there_are_places() -> None:
    reads, ready = BackgroundReads(patience=0.05, brief=0.01, most=2), threading.Event()
    asked = list[str]()
    for key in range(20):
        with pytest.raises(NoAnswerYetError):
            reads.get(key, answers_when(ready, asked))
    assert len(asked) == 2

    ready.set()
    until(lambda: not reads._asked)
    assert reads.get("after", answers_when(ready, asked)) == "the answer"


def test_many_who_ask_at_once_share_the_places() -> None:
    reads = BackgroundReads(patience=30, most=2)

    with ThreadPoolExecutor(20) as visitors:
        found = list(visitors.map(lambda key: reads.get(key, lambda: key % 5), range(40)))

    assert found == [key % 5 for key in range(40)]


@pytest.mark.parametrize("error", [ValueError("no"), TimeoutError("the question's own")])
def test_what_asking_raises_is_raised(error: Exception) -> None:
    def ask() -> None:
        raise error

    reads = BackgroundReads()

    for _ in range(2):
        with pytest.raises(type(error), match=str(error)):
            reads.get("a", ask)


def _patient(reads: BackgroundReads) -> BackgroundReads:
    reads._patience = reads._brief = 30
    return reads
