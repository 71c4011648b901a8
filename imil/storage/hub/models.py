"""Large files in a private model repo of the Hub."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from imil.storage.base import check_name
from imil.storage.hub.files import Kind, Repo, delete_files, get_file, list_files, put_files
from imil.storage.models import copied

# What the repo of a state repo's checkpoints is called: beside it, and as private.
ENDING = "-models"


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
