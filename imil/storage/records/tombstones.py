"""What is left of a deleted study: when it was deleted, and how its log ended. No content."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from imil.errors import StoreError
from imil.storage.base import Store, tombstone_file
from imil.storage.codec import read_value
from imil.storage.records.acts import ChainHead
from imil.storage.values import Moment

TOMBSTONE_SCHEMA = 1
# Who is named where nobody asked for a deletion: the study was left for long.
IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A study that was deleted.

    Attributes:
        study: its id.
        time: when, UTC, ISO 8601.
        who: by whom; "" where nobody is named.
        acts: how many its log had.
        head: the last of them; None for an empty log. A copy of the log can be checked against it.
    """

    study: str
    time: Moment
    who: str
    acts: int
    head: ChainHead | None


def save_tombstone(store: Store, tombstone: Tombstone) -> None:
    """Keep that a study was deleted."""
    content = {"schema_version": TOMBSTONE_SCHEMA, **asdict(tombstone)}
    store.write(tombstone_file(tombstone.study), json.dumps(content, indent=1).encode())


def load_tombstone(store: Store, study_id: str) -> Tombstone | None:
    """Return a study's tombstone; None where it was not deleted.

    Raises:
        StoreError: it is damaged, or of a newer version.
    """
    content = store.read(tombstone_file(study_id))
    if content is None:
        return None
    return read_value(Tombstone, "A tombstone", content, TOMBSTONE_SCHEMA)


def deleted_study(tombstone: Tombstone) -> StoreError:
    """Return the error of opening a study that was deleted."""
    day = datetime.fromisoformat(tombstone.time)
    idle = "Nobody had drawn in it, nor visited it for long. " if tombstone.who == IDLE else ""
    return StoreError(
        f"This study was deleted on {day:%d %B %Y}.",
        why=f"{idle}Its images, masks and results are gone. "
        "We keep only the date and the last log entry.",
        fix="Begin a new study on the Train tab.",
    )
