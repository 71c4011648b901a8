"""What a disk that refuses a file means for who trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imil.errors import ComputeError


@contextmanager
def full_disk(what: str) -> Iterator[None]:
    """Say what could not be saved, and what to do, in place of the system's error."""
    try:
        yield
    except OSError as cause:
        raise ComputeError(
            f"{what} could not be saved.",
            why=f"The system says: {cause.strerror}.",
            fix="Free some space and train on; the last saved epoch is kept.",
        ) from cause
