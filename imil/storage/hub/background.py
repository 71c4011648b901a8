"""Read from a slow place in the background, so that nobody waits for it without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

Answer = TypeVar("Answer")

# Longest that somebody waits for an answer, s. A page asks twice at most before it shows something,
# and is to show it within ten seconds.
PATIENCE = 4.5
# The same while the last answer is overdue: a page that asks for several things waits once.
BRIEF = 0.5
# Questions that are asked at the same time: a place that is silent must not fill the app with
# threads, whatever visitors ask for.
MOST = 32


class NoAnswerYetError(Exception):
    """There is no answer yet; the question is still being asked."""


class BackgroundReads:
    """Asks each question in a thread of its own, and once for all who wait for its answer.

    Args:
        patience: longest that somebody waits, s.
        brief: the same while an earlier question has had no answer for that long.
        most: questions that are asked at the same time; whoever asks one more waits.
    """

    def __init__(
        self, patience: float = PATIENCE, brief: float = BRIEF, *, most: int = MOST
    ) -> None:
        self._patience = patience
        self._brief = brief
        self._lock = threading.Lock()
        self._places = threading.Semaphore(most)
        self._asked: dict[Hashable, Future[Any]] = {}
        self._overdue = False

    def get(self, key: Hashable, ask: Callable[[], Answer]) -> Answer:
        """Return the answer, or raise what asking raised.

        Args:
            key: tells the question; while it is being asked, nobody asks it again.
            ask: asks; what it leaves behind is there when the answer comes late, too.

        Raises:
            NoAnswerYetError: it takes too long; whoever comes back may find the answer.
        """
        end = time.monotonic() + (self._brief if self._overdue else self._patience)
        asked = self._asked.get(key) or self._begun(key, ask, end)
        try:
            found: Answer = asked.result(max(0.0, end - time.monotonic()))
        except TimeoutError:
            if asked.done():  # the question's own
                raise
            self._overdue = True
            raise NoAnswerYetError from None
        return found

    def _begun(self, key: Hashable, ask: Callable[[], Any], end: float) -> Future[Any]:
        """Begin to ask, unless another has begun meanwhile."""
        if not self._places.acquire(timeout=max(0.0, end - time.monotonic())):
            self._overdue = True
            raise NoAnswerYetError
        with self._lock:
            if key in self._asked:
                self._places.release()
            else:
                asked = self._asked[key] = Future()
                run = (key, asked, ask)
                threading.Thread(target=self._run, args=run, daemon=True).start()
            return self._asked[key]

    def _run(self, key: Hashable, asked: Future[Any], ask: Callable[[], Any]) -> None:
        try:
            answer = ask()
        except BaseException as error:  # noqa: BLE001  # raised where the answer is waited for
            self._end(key)
            asked.set_exception(error)
        else:
            self._overdue = False
            self._end(key)
            asked.set_result(answer)

    def _end(self, key: Hashable) -> None:
        with self._lock:
            del self._asked[key]
        self._places.release()
