"""Read from a slow place in the background, so that nobody waits for it without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

ReadAnswer = TypeVar("ReadAnswer")

# Longest that somebody waits for an answer, s. A page asks twice at most before it shows something,
# and is to show it within ten seconds.
ANSWER_TIMEOUT = 4.5
# The same while the last answer is overdue: a page that asks for several things waits once.
BRIEF_TIMEOUT = 0.5
# Questions that are asked at the same time: a place that is silent must not fill the app with
# threads, whatever visitors ask for.
_MOST = 32


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
        self, patience: float = ANSWER_TIMEOUT, brief: float = BRIEF_TIMEOUT, *, most: int = _MOST
    ) -> None:
        self._patience = patience
        self._brief = brief
        self._most = most
        self._changed = threading.Condition()
        self._asked: dict[Hashable, Future[Any]] = {}
        self._overdue = False

    def get(self, key: Hashable, ask: Callable[[], ReadAnswer]) -> ReadAnswer:
        """Return the answer, or raise what asking raised.

        Args:
            key: tells the question; while it is being asked, nobody asks it again.
            ask: asks; what it leaves behind is there when the answer comes late, too.

        Raises:
            NoAnswerYetError: it takes too long; whoever comes back may find the answer.
        """
        patience = self._brief if self._overdue else self._patience
        end = time.monotonic() + patience
        with self._changed:
            if not self._changed.wait_for(lambda: self._place_for(key), patience):
                self._overdue = True
                raise NoAnswerYetError
            if key not in self._asked:
                run = (key, self._asked.setdefault(key, Future()), ask)
                # No pool's thread: an app that ends would wait for it.
                threading.Thread(target=self._run, args=run, daemon=True).start()
            asked = self._asked[key]
        if not wait([asked], max(0.0, end - time.monotonic())).done:
            self._overdue = True
            raise NoAnswerYetError
        found: ReadAnswer = asked.result()
        return found

    def _place_for(self, key: Hashable) -> bool:
        return key in self._asked or len(self._asked) < self._most

    def _run(self, key: Hashable, asked: Future[Any], ask: Callable[[], Any]) -> None:
        answer, error = None, None
        try:
            answer = ask()
            self._overdue = False
        except BaseException as raised:  # noqa: BLE001  # raised where the answer is waited for
            error = raised
        with self._changed:
            del self._asked[key]
            self._changed.notify_all()
        if error is None:
            asked.set_result(answer)
        else:
            asked.set_exception(error)
