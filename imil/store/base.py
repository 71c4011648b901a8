"""The port: named bytes that stay."""

from __future__ import annotations

import re
from typing import Protocol

from imil.errors import StoreError

# Letters, digits and a few signs in each part: safe as a file, a URL and a Hub path.
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


class Store(Protocol):
    """Where state lives. Names are relative, with `/`; content is bytes.

    When `write` or `add` returns, the content survives a kill of the process; nothing is ever half
    there.
    """

    def read(self, name: str) -> bytes | None:
        """Return the content, or None only where there is none. StoreError if it can't be read."""

    def write(self, name: str, content: bytes) -> None:
        """Set the content, replacing what was there. StoreError if it can't be kept."""

    def add(self, name: str, content: bytes) -> None:
        """Set the content of a new, immutable name. StoreError if the name is taken."""

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted."""


def check_name(name: str) -> str:
    """Return the name if it is safe in every adapter; ValueError otherwise."""
    if not name or not all(_PART.match(part) for part in name.split("/")):
        raise ValueError(f"not a name in the store: {name!r}")
    return name


def taken(name: str) -> StoreError:
    """Return the error of adding a name twice."""
    return StoreError(
        f"“{name}” is already in the store.",
        why="Saved records are never changed, so that nothing drawn can be overwritten.",
        fix="Save again: every save gets a name of its own.",
    )
