"""Files into and out of one repo of the Hub: made where it is not there, one commit, fetched whole.

What is handed over at a person's wish, and the Space itself; the state of running studies has a
store of its own. Texts of the client are never passed on: whatever it knew stays with its cause.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
)

from imil.errors import StoreError
from imil.storage.base import check_name
from imil.storage.hub.errors import FAILURES, UNKNOWN_FAILURE, failure_of, no_id
from imil.storage.models import copied

CARD = "README.md"
# Where the card goes when the one that is there was edited by a person.
CARD_BESIDE = "IMIL_CARD.md"
# What was written by us the last time, so that a person's edits are told from it.
_MARK = "imil.json"
MARK_SCHEMA = 1
# Git's own, which every repo begins with.
_KEPT = (".gitattributes",)
# The client asks none of the commits again. Seconds before each further try: a person waits for it,
# so it ends within half a minute; the Hub's quota of commits an hour is not sat out.
WAITS = (1.0, 4.0, 15.0)

PAYMENT = 402
# What the repo of a state repo's checkpoints is called: beside it, and as private.
ENDING = "-models"
_ID = re.compile(r"[\w.-]+/[\w.-]+")
_Answer = TypeVar("_Answer")


class Kind(StrEnum):
    """What a repo of the Hub is."""

    MODEL = "model"
    DATASET = "dataset"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class Repo:
    """A repo of the Hub, and on whose behalf it is asked for.

    Attributes:
        repo_id: "owner/name".
        kind: what it is.
        token: of whoever may write to or read it; never shown, never stored.
        endpoint: the Hub's address; None for the usual one.
        private: it is made private, and refused where it is not; False where that is wanted.
        hardware: what a Space runs on that is made here; None where the Hub chooses.
    """

    repo_id: str
    kind: Kind
    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    private: bool = True
    hardware: str | None = None

    @property
    def api(self) -> HfApi:
        """Return the client that asks with this token, and with no other that it would find."""
        return HfApi(endpoint=self.endpoint, token=self.token or False)

    @property
    def url(self) -> str:
        """Return the address of its page."""
        folder = {Kind.MODEL: "", Kind.DATASET: "datasets/", Kind.SPACE: "spaces/"}[self.kind]
        return f"{(self.endpoint or 'https://huggingface.co').rstrip('/')}/{folder}{self.repo_id}"


def put_files(
    repo: Repo,
    files: Mapping[str, bytes | Path],
    *,
    message: str,
    mirror: bool = False,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """Make the repo where it is not there, and put the files into it in one commit.

    The same files again change nothing. A card that a person has edited stays as it is; ours then
    stands beside it as `IMIL_CARD.md`.

    Args:
        repo: where to.
        files: content, or the file that holds it, by path in the repo.
        message: the commit's.
        mirror: files that are not among these go, and the card is one of these.
        wait: how the seconds between two tries pass.

    Returns:
        The address of the repo's page.

    Raises:
        StoreError: the token, the repo or the Hub does not allow it. Nothing is half there.
    """
    check_repo_id(repo.repo_id)
    if repo.token is None:
        raise StoreError(
            f"Nothing can be sent to {repo.repo_id}.",
            why="The Hub takes files only from a known account, and there is no token.",
            fix="Sign in, or set HF_TOKEN to a token that may write to it.",
        )
    api, kind, name = repo.api, repo.kind.value, repo.repo_id
    with _in_words(repo):
        info = _patiently(lambda: _made(repo), wait)
        if repo.private and not info.private:
            raise StoreError(
                f"{name} is public.",
                why="What is sent there can be read by everybody, and that was not asked for.",
                fix="Name another repo, make that one private in its settings, or say --public.",
            )
        there = {file.rfilename for file in info.siblings or ()}
        sent = dict(files) if mirror else _beside_edits(repo, dict(files), there)
        gone = there - sent.keys() - set(_KEPT) if mirror else set()
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(path, content) for path, content in sorted(sent.items())),
            *(CommitOperationDelete(path) for path in sorted(gone)),
        ]
        _patiently(
            lambda: api.create_commit(name, operations, commit_message=message, repo_type=kind),
            wait,
        )
    return repo.url


def get_file(repo: Repo, path: str, *, into: Path) -> Path | None:
    """Return a file of the repo, fetched into a folder; None only where the repo has none such.

    Raises:
        StoreError: the repo is not there, not this token's to read, or out of reach.
    """
    check_repo_id(repo.repo_id)
    with _in_words(repo):
        return _fetched(repo, path, into)


def list_files(repo: Repo, prefix: str) -> tuple[str, ...]:
    """Return the paths in the repo that begin so, sorted; none where there is no such repo.

    Raises:
        StoreError: the repo is not this token's to read, or out of reach.
    """
    with _in_words(repo):
        try:
            found = repo.api.list_repo_files(repo.repo_id, repo_type=repo.kind.value)
        except RepositoryNotFoundError as error:
            # Over plain http the client takes an unknown token for an unknown repo.
            if error.response.status_code == UNKNOWN_FAILURE:
                raise
            return ()
    return tuple(sorted(path for path in found if path.startswith(prefix)))


def delete_files(repo: Repo, prefix: str, *, message: str) -> None:
    """Take the files out of the repo whose paths begin so, in one commit; earlier commits stay.

    Raises:
        StoreError: the token, the repo or the Hub does not allow it.
    """
    paths = list_files(repo, prefix)
    if not paths:
        return
    gone = [CommitOperationDelete(path) for path in paths]
    with _in_words(repo):
        _patiently(
            lambda: repo.api.create_commit(
                repo.repo_id, gone, commit_message=message, repo_type=repo.kind.value
            ),
            time.sleep,
        )


def set_variables(repo: Repo, *, variables: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    """Set variables and secrets of a Space; those that are not named stay as they are.

    Raises:
        StoreError: the token, the Space or the Hub does not allow it.
    """
    with _in_words(repo):
        for name, value in variables.items():
            repo.api.add_space_variable(repo.repo_id, name, value)
        for name, value in secrets.items():
            repo.api.add_space_secret(repo.repo_id, name, value)


def check_repo_id(repo_id: str) -> None:
    """Raise a StoreError if that is no `owner/name`."""
    if _ID.fullmatch(repo_id) is None:
        raise no_id(repo_id)


def _made(repo: Repo) -> Any:
    """Return what the Hub tells of the repo, which is made if it is not there."""
    api, name, kind = repo.api, repo.repo_id, repo.kind.value
    try:
        return api.repo_info(name, repo_type=kind)
    except RepositoryNotFoundError as error:
        # Over plain http the client takes an unknown token for an unknown repo.
        if error.response.status_code == UNKNOWN_FAILURE:
            raise
    sdk = "gradio" if repo.kind is Kind.SPACE else None
    hardware: Any = repo.hardware  # the Hub knows more of them than its client
    try:
        api.create_repo(
            name, repo_type=kind, private=repo.private, space_sdk=sdk, space_hardware=hardware
        )
    except HfHubHTTPError as error:
        if error.response.status_code != PAYMENT:
            raise
        raise StoreError(
            f"The Hub asks for a paid plan before it makes {name}.",
            why=f"This account may not have one more Space on {hardware or 'this hardware'}.",
            fix="Name other hardware, or a Space that is there. docs/deployment.md has the prices.",
        ) from error
    return api.repo_info(name, repo_type=kind)


def _beside_edits(
    repo: Repo, files: dict[str, bytes | Path], there: set[str]
) -> dict[str, bytes | Path]:
    """Return the files with the card where it overwrites nobody's edits, and with our mark."""
    card = files.get(CARD)
    if not isinstance(card, bytes):
        return files
    if CARD in there and _read(repo, CARD) != card:
        written = _written(_read(repo, _MARK)) if _MARK in there else None
        if hashlib.sha256(_read(repo, CARD) or b"").hexdigest() != written:
            del files[CARD]
            return files | {CARD_BESIDE: card}
    mark = {"schema_version": MARK_SCHEMA, "card": hashlib.sha256(card).hexdigest()}
    return files | {_MARK: json.dumps(mark, indent=1).encode()}


def _read(repo: Repo, path: str) -> bytes | None:
    """Return a small file's content as it is now; None where there is none."""
    with tempfile.TemporaryDirectory(prefix="imil-") as folder:
        found = _fetched(repo, path, Path(folder))
        return None if found is None else found.read_bytes()


def _fetched(repo: Repo, path: str, into: Path) -> Path | None:
    try:
        # A folder of our own: the client's cache would keep what is private.
        found = repo.api.hf_hub_download(
            repo.repo_id, path, repo_type=repo.kind.value, local_dir=into
        )
    except EntryNotFoundError:
        return None
    return Path(found)


def _written(mark: bytes | None) -> str | None:
    try:
        found = json.loads(mark or b"")
    except ValueError:
        return None
    return found.get("card") if isinstance(found, dict) else None


class HubModels:
    """Keeps large files in the model repo beside a state repo; it is made at the first one.

    Args:
        state_repo: "owner/name" of the data set that the state goes to.
        token: of whoever may write there; never shown.
        endpoint: the Hub's address; None for the usual one.
    """

    def __init__(self, state_repo: str, *, token: str | None, endpoint: str | None = None) -> None:
        self._repo = Repo(f"{state_repo}{ENDING}", Kind.MODEL, token, endpoint)

    def put(self, files: Mapping[str, Path]) -> None:
        """Keep files by name, in one commit; StoreError if the Hub doesn't take them."""
        given = {check_name(name): path for name, path in files.items()}
        put_files(self._repo, given, message="The first checkpoint of a study")

    def get(self, name: str, path: Path) -> bool:
        """Put a file where `path` says; False where the repo has none such."""
        with tempfile.TemporaryDirectory(prefix="imil-") as folder:
            found = get_file(self._repo, check_name(name), into=Path(folder))
            if found is None:
                return False
            copied(found, path)
        return True

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted; none before there is a repo."""
        return list_files(self._repo, prefix)

    def forget(self, prefix: str) -> None:
        """Remove all names that begin with `prefix`."""
        delete_files(self._repo, prefix, message="A study was deleted")


# ---- when the Hub says no ------------------------------------------------------------------------


def _patiently(call: Callable[[], _Answer], wait: Callable[[float], None]) -> _Answer:
    """Return the call's answer, asking again where the Hub is only busy."""
    for seconds in WAITS:
        try:
            return call()
        except FAILURES as error:
            if not failure_of(error, "").passes:
                raise
        # Not in step with others who wait for the same.
        wait(seconds * (1 + random.random()))
    return call()


@contextmanager
def _in_words(repo: Repo) -> Iterator[None]:
    """Raise a StoreError for whatever the client raises."""
    try:
        yield
    except HFValidationError as error:
        raise no_id(repo.repo_id) from error
    except FAILURES as error:
        kind = {Kind.DATASET: "data set", Kind.SPACE: "Space"}.get(repo.kind, repo.kind)
        raise failure_of(error, repo.repo_id, kind=kind, kept=False).error from error
