"""The port: named bytes that stay."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeGuard

from imil.errors import ImilError, StoreError

# Letters, digits and a few signs in each part: safe as a file, a URL and a Hub path.
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")

# Records of all studies lie here, each under a name of its own that ends with its study.
RECORDS = "data/"
# Lists of accounts lie here: no study's id can name one.
ACCOUNTS = "accounts/"
_ID = r"[A-Za-z0-9]{1,64}"
_RECORD = re.compile(rf"data/.+-(?P<study>{_ID})\.[A-Za-z0-9]+\Z")
_OWN = re.compile(rf"studies/(?P<study>{_ID})/")


@dataclass(frozen=True, slots=True)
class Saved:
    """How far a study's state has got beyond this machine. All durations are in seconds.

    Attributes:
        repo: the data set that it goes to; None where it stays on this machine.
        waiting: files of the study that the Hub has not acknowledged.
        ago: since the Hub last had everything of the study; None where it never had.
        silent: how long the Hub has not taken what was sent; None where it does.
        trouble: what a person has to mend before the Hub takes anything; None where nothing. With
            a trouble and no repo nothing is even tried.
    """

    repo: str | None = None
    waiting: int = 0
    ago: float | None = None
    silent: float | None = None
    trouble: ImilError | None = None


class Store(Protocol):
    """Where state lives. Names are relative, with `/`; content is bytes.

    When `write` or `add` returns, the content survives a kill of the process; nothing is ever half
    there.
    """

    def read(self, name: str) -> bytes | None:
        """Return the content, or None only where there is none. StoreError if it can't be read."""

    def write(self, name: str, content: bytes) -> None:
        """Set the content, replacing what was there. StoreError if it can't be kept."""

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:
        """Set the content of a new, immutable name. StoreError if the name is taken.

        `shown` is what a data set shows under the name instead, where there is one; it is never
        read back: the content is what counts, here and after a restart.
        """

    def hide(self, study_id: str) -> None:
        """Have a data set show nothing of a study but its records themselves; StoreError if not."""

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted."""

    def there(self, names: Collection[str]) -> frozenset[str]:
        """Return which of the names there are, and fetch none. StoreError if it can't be told."""

    def published(self, study_id: str) -> Mapping[str, bytes]:
        """Return a study's acts and small records as the data set has them now, asked anew.

        Nothing where there is no data set. StoreError where it can't be asked.
        """

    def of_study(self, study_id: str) -> tuple[str, ...]:
        """Return the names of a study's immutable records, in the order of their file names.

        A record is `data/…/<time>-<random>-<study>.<ending>`: its file name begins with the time.
        StoreError where they can't be had: that is not the same as none.
        """

    def forget(self, study_id: str) -> None:
        """Remove everything of a study but its tombstone: records and `studies/<study>/`.

        StoreError if something can't be removed. It can be interrupted at any moment, and repeated.
        """

    def saved(self, study_id: str) -> Saved:
        """Return how far the study's state has got beyond this machine."""


def check_name(name: str) -> str:
    """Return the name if it is safe in every adapter; ValueError otherwise."""
    if not name or not all(_PART.match(part) for part in name.split("/")):
        raise ValueError(f"not a name in the store: {name!r}")
    return name


def is_study_id(value: object) -> TypeGuard[str]:
    """Return whether a value can be a study's id: ASCII letters and digits, at most 64.

    Anything else was not made by us and names no file.
    """
    return isinstance(value, str) and re.fullmatch(_ID, value, re.ASCII) is not None


def study_of(name: str) -> str | None:
    """Return the study that a name belongs to; None for a name of no study."""
    found = _RECORD.match(name) or _OWN.match(name)
    return None if found is None else found["study"]


def renamed_for(name: str, study_id: str) -> str:
    """Return the name that the same file has in another study; ValueError for a file of none."""
    owner = study_of(name)
    if owner is None:
        raise ValueError(f"not a name of a study: {name!r}")
    if name.startswith(f"studies/{owner}/"):
        return f"studies/{study_id}/{name.removeprefix(f'studies/{owner}/')}"
    stem, _, ending = name.rpartition(".")
    return f"{stem.removesuffix(owner)}{study_id}.{ending}"


def tombstone_file(study_id: str) -> str:
    """Return the name of a study's tombstone, the one file that outlives the study."""
    return f"studies/{study_id}/tombstone.json"


def is_record(name: str) -> bool:
    """Return whether a name is that of a study's immutable record."""
    return _RECORD.match(name) is not None


def by_file_name(name: str) -> str:
    """Return what records are ordered by: the time that their file name begins with."""
    return name.rpartition("/")[2]


def new_record(kind: str, study_id: str, moment: datetime) -> str:
    """Return a new name for a record of a study.

    Args:
        kind: its folder below `data/`, such as "masks".
        study_id: letters and digits.
        moment: when it was made (UTC); records are read in this order.
    """
    rest = f"{moment:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}-{study_id}.parquet"
    return check_name(f"{RECORDS}{kind}/{moment:%Y%m}/{rest}")


def name_taken_error(name: str) -> StoreError:
    """Return the error of adding a name twice."""
    return StoreError(
        f"“{name}” is already in the store.",
        why="Saved records are never changed, so that nothing drawn can be overwritten.",
        fix="Save again: every save gets a name of its own.",
    )
