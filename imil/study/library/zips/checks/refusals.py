"""How a `study.zip` is refused: in words, whoever finds what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imil.errors import StoreError
from imil.storage.codec import BOMBS, damaged

STUDY_ZIP = "This study.zip"


def unknown_file(name: str) -> StoreError:
    """Return the error of a file that no study.zip has, or that is not as it was exported."""
    return StoreError(
        f"This study.zip was changed: “{name}” is not as it was exported.",
        why="Each file's digest was written down when it was, and this one has another or none.",
        fix="Use an untouched copy of the zip, or export the study again.",
    )


@contextmanager
def damage_told() -> Iterator[None]:
    """Raise the error of a damaged zip for a value that can't be, whoever finds it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, OSError, *BOMBS) as cause:
        raise damaged(STUDY_ZIP) from cause


def require(holds: bool) -> None:
    """Raise a ValueError unless a value can be as it is."""
    if not holds:
        raise ValueError("a value that can't be")
