"""Whose studies are whose: own lists across browsers, sharing with organisations, deletion."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from imil.errors import StoreError
from imil.storage.base import Store
from imil.storage.records.accounts import (
    ListedStudy,
    account_key,
    load_listed,
    owner_of,
    save_listed,
    set_owner,
)

# Studies of one list; the oldest go first. As a browser's own list.
MOST = 50


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation that an account belongs to: its id at the provider, and its name."""

    subject: str
    name: str

    @property
    def key(self) -> str:
        """Return the name that its list is kept under."""
        return account_key("organisation", self.subject)


@dataclass(frozen=True, slots=True)
class Account:
    """Who has signed in, as the provider says; no token.

    Attributes:
        subject: the id that the provider never gives to another.
        name: the user name.
        organisations: those that the account belongs to.
    """

    subject: str
    name: str
    organisations: tuple[Organisation, ...] = ()

    @property
    def key(self) -> str:
        """Return the name that its list is kept under."""
        return account_key("user", self.subject)


class Accounts:
    """The lists of accounts and organisations in a store; safe to use from several threads.

    A study is opened by its id, which nobody can guess; lists only save one from remembering it. A
    study belongs to the account that first kept it as its own, and then to no other.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()

    def keep(self, account: Account, study: ListedStudy, *, own: bool) -> None:
        """Put a study on the account's list, first; `own` where it was begun by this visitor."""
        with self._lock:
            if own and not owner_of(self._store, study.study_id):
                set_owner(self._store, study.study_id, account.key)
            self._put(account.key, study)

    def studies(self, account: Account) -> tuple[ListedStudy, ...]:
        """Return the account's studies, then those shared with its organisations, each once."""
        keys = (account.key, *(each.key for each in account.organisations))
        found = [study for key in keys for study in load_listed(self._store, key)]
        return tuple({study.study_id: study for study in reversed(found)}.values())[::-1]

    def shared_with(self, account: Account, study_id: str) -> tuple[str, ...]:
        """Return the names of those of the account's organisations that have the study."""
        return tuple(
            each.name
            for each in account.organisations
            if study_id in {study.study_id for study in load_listed(self._store, each.key)}
        )

    def share(self, account: Account, study: ListedStudy, name: str, *, shared: bool) -> None:
        """Put a study on an organisation's list, or take it off.

        Raises:
            StoreError: the account does not own the study, or is not of that organisation.
        """
        to = next((each for each in account.organisations if each.name == name), None)
        if to is None:
            raise StoreError(
                f"You don't belong to “{name}”.",
                why="A study can be shared with organisations of one's own account.",
                fix="Pick one of the list; sign in again if you have joined it since.",
            )
        with self._lock:
            if owner_of(self._store, study.study_id) != account.key:
                raise StoreError(
                    "This study is not yours to share with an organisation.",
                    why="It belongs to another account, or to nobody who is signed in.",
                    fix="Ask its owner, or begin a study while you are signed in.",
                )
            if shared:
                self._put(to.key, study)
            else:
                self._take(to.key, study.study_id)

    def require_owner(self, account: Account | None, study_id: str) -> None:
        """Raise a StoreError if the study belongs to another account than this one."""
        owner = owner_of(self._store, study_id)
        if owner and (account is None or account.key != owner):
            raise StoreError(
                "This study belongs to an account.",
                why="Whoever has its link can see it and work on it, but not delete it.",
                fix="Sign in with the account that began it.",
            )

    def forget(self, account: Account | None, study_id: str) -> None:
        """Take a study off the lists that the account sees."""
        if account is None:
            return
        with self._lock:
            for key in (account.key, *(each.key for each in account.organisations)):
                self._take(key, study_id)

    def _put(self, key: str, study: ListedStudy) -> None:
        listed = load_listed(self._store, key)
        others = tuple(each for each in listed if each.study_id != study.study_id)
        # Most visits only open a study again: that moves it up in the browser's list, not here.
        if study not in listed:
            save_listed(self._store, key, (study, *others)[:MOST])

    def _take(self, key: str, study_id: str) -> None:
        listed = load_listed(self._store, key)
        left = tuple(each for each in listed if each.study_id != study_id)
        if left != listed:
            save_listed(self._store, key, left)
