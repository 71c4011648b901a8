"""Gradio is imported without writing itself type stubs, which no reader waits for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_stubs() -> Iterator[None]:
    """Keep Gradio from parsing its own sources while it is imported in here.

    At each import it (6.31) compares the type stubs of each of its components, for editors, with
    what it would write: a third of the second or more that its import takes. It leaves out a class
    whose file it can't find.
    """
    find = inspect.getfile

    def unless_gradios(of: Any) -> str:
        if inspect.isclass(of) and of.__module__.partition(".")[0] == "gradio":
            raise OSError
        return find(of)

    inspect.getfile = unless_gradios  # type: ignore[assignment]  # but for the name of what it is given
    try:
        yield
    finally:
        inspect.getfile = find
