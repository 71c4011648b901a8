"""What is kept of an account: which studies are its own or shared with it; and whose a study is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from imil.storage.base import ACCOUNTS, Store, is_study_id
from imil.storage.codec import read_value
from imil.storage.records.studies import study_file

ACCOUNTS_SCHEMA = 1
WHAT = "A list of studies"


@dataclass(frozen=True, slots=True)
class ListedStudy:
    """A study in a list.

    Attributes:
        study_id: whoever has it can open the study.
        name: the study's, for people.
        created: when, UTC, ISO 8601.
    """

    study_id: str
    name: str
    created: str


def account_key(kind: str, subject: str) -> str:
    """Return the name that a list is kept under; who it is can't be read from it.

    Args:
        kind: "user" or "organisation".
        subject: the id that the provider never gives to another.
    """
    return hashlib.sha256(f"{kind}:{subject}".encode()).hexdigest()[:32]


def load_listed(store: Store, key: str) -> tuple[ListedStudy, ...]:
    """Return the studies of a list, in its own order; none where nothing was ever listed.

    Raises:
        StoreError: it can't be read, is damaged, or of a newer version.
    """
    return (_read(store, _list_file(key)) or _older(store, key) or _Saved()).studies


def save_listed(store: Store, key: str, studies: tuple[ListedStudy, ...]) -> None:
    """Keep the studies of a list, in place of those before."""
    content = {"schema_version": ACCOUNTS_SCHEMA, "studies": [asdict(each) for each in studies]}
    store.write(_list_file(key), json.dumps(content, indent=1).encode())


def owner_of(store: Store, study_id: str) -> str:
    """Return the key of the account that owns a study; "" where it belongs to its browser.

    Raises:
        StoreError: it can't be read, is damaged, or of a newer version.
    """
    if not is_study_id(study_id):
        return ""
    return (_read(store, _owner_file(study_id)) or _Saved()).account


def set_owner(store: Store, study_id: str, key: str) -> None:
    """Keep whose a study is."""
    content = {"schema_version": ACCOUNTS_SCHEMA, "account": key}
    store.write(_owner_file(study_id), json.dumps(content).encode())


@dataclass(frozen=True, slots=True)
class _Saved:
    """What a list, or the file that names a study's owner, holds."""

    studies: tuple[ListedStudy, ...] = ()
    account: str = ""


def _read(store: Store, name: str) -> _Saved | None:
    content = store.read(name)
    return None if content is None else read_value(_Saved, WHAT, content, ACCOUNTS_SCHEMA)


def _older(store: Store, key: str) -> _Saved | None:
    """Return the list where older versions kept it: in a folder as studies have.

    A list beside a study is none: it came with that study, from outside. The list moves when it is
    next saved.
    """
    saved = _read(store, f"studies/{key}/account.json")
    return None if saved and store.read(study_file(key)) is not None else saved


def _list_file(key: str) -> str:
    return f"{ACCOUNTS}{key}.json"


def _owner_file(study_id: str) -> str:
    return f"studies/{study_id}/owner.json"
