"""Answers about a zip that a page gives quickly one after another: each counts, in order."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from imil.app.train.zip_options import Answers


@dataclass(slots=True)
class Given:
    """Answers of one page about one file."""

    file: Hashable
    answers: Answers
    lock: threading.Lock = field(default_factory=threading.Lock)


class GivenAnswers:
    """Answers by page, while it is open.

    What a page sends with an answer is what it showed then: an answer that is still being looked
    into is not among it, and would be lost.
    """

    def __init__(self) -> None:
        self._given: dict[str | None, Given] = {}
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, page: str | None, file: Hashable, shown: Answers) -> Iterator[Given]:
        """Wait for the page's earlier answers, and hold up its later ones.

        Args:
            page: which one.
            file: what the answers are about; those about another file are forgotten.
            shown: answers that the page sent, which count where none are known here.
        """
        with self._lock:
            given = self._given.get(page)
            if given is None or given.file != file:
                given = self._given[page] = Given(file, shown)
        with given.lock:
            yield given

    def forget(self, page: str | None) -> None:
        """Forget a page's answers, as when it shows another file or is closed."""
        with self._lock:
            self._given.pop(page, None)
