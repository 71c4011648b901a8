"""One study's part of a store: the only door through which a study reads and writes its state."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from imil.errors import StoreError
from imil.storage.base import Saved, Store, renamed_for, study_of, tombstone_file


class StudyStore:
    """A store that holds one study and nothing else; safe to use from several threads.

    A study that was imported got a new id here. Its files lie under that id, while everything in
    them (the chain of its log, digests, names of masks) goes on to use the id that it was exported
    with. So names are translated here and files stay as they are, byte by byte.

    Args:
        store: where all studies are.
        study_id: the id that the files lie under.
        log_id: the id that the study's own files use; the same unless it was imported.
    """

    def __init__(self, store: Store, study_id: str, log_id: str) -> None:
        self._store = store
        self._study_id = study_id
        self._log_id = log_id
        self._ended = False
        self._writing = 0
        self._idle = threading.Condition()

    def end(self) -> None:
        """Refuse every write from now on; returns when those that had begun are done."""
        with self._idle:
            self._ended = True
            self._idle.wait_for(lambda: self._writing == 0)

    def read(self, name: str) -> bytes | None:
        """Return the content; None where there is none, and for any file of something else."""
        return self._store.read(self._there(name)) if self._is_own(name) else None

    def write(self, name: str, content: bytes) -> None:
        """Set the content, replacing what was there; StoreError once the study is deleted."""
        with self._allowed(name):
            self._store.write(self._there(name), content)

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:
        """Set the content of a new name; StoreError if taken, or once the study is deleted."""
        with self._allowed(name):
            self._store.add(self._there(name), content, shown=shown)

    def hide(self, study_id: str) -> None:  # noqa: ARG002  # there is one study
        """Show nothing more of the study but the records themselves."""
        self._store.hide(self._study_id)

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names of the study that begin with `prefix`, sorted."""
        if not self._is_own(prefix):
            return ()
        return tuple(self._here(name) for name in self._store.names(self._there(prefix)))

    def there(self, names: Collection[str]) -> frozenset[str]:
        """Return which of the names there are."""
        own = {self._there(name): name for name in names if self._is_own(name)}
        return frozenset(own[name] for name in self._store.there(own.keys()))

    def published(self, study_id: str) -> dict[str, bytes]:  # noqa: ARG002  # there is one study
        """Return the study's acts and small records as the data set has them now."""
        found = self._store.published(self._study_id)
        return {self._here(name): content for name, content in found.items()}

    def of_study(self, study_id: str) -> tuple[str, ...]:  # noqa: ARG002  # there is one study
        """Return the names of the study's records, in the order of their file names."""
        return tuple(self._here(name) for name in self._store.of_study(self._study_id))

    def forget(self, study_id: str) -> None:  # noqa: ARG002  # there is one study
        """Remove everything of the study but its tombstone."""
        self._store.forget(self._study_id)

    def saved(self, study_id: str) -> Saved:  # noqa: ARG002  # there is one study
        """Return how far the study's state has got beyond this machine."""
        return self._store.saved(self._study_id)

    # ---- inside ---------------------------------------------------------------------------------

    def _is_own(self, name: str) -> bool:
        return study_of(name) in {self._study_id, self._log_id}

    def _there(self, name: str) -> str:
        """Return the name that the store has a file of the study under."""
        return renamed_for(name, self._study_id)

    def _here(self, name: str) -> str:
        """Return the name that the study's own files use."""
        return renamed_for(name, self._log_id)

    @contextmanager
    def _allowed(self, name: str) -> Iterator[None]:
        """Let a write of the study's own happen, unless the study is deleted."""
        if not self._is_own(name):
            raise ValueError(f"not a name of this study: {name!r}")
        with self._idle:
            # Another process may have deleted it: then the tombstone says so.
            if self._ended or self._store.read(tombstone_file(self._study_id)) is not None:
                raise _deleted()
            self._writing += 1
        try:
            yield
        finally:
            with self._idle:
                self._writing -= 1
                self._idle.notify_all()


def _deleted() -> StoreError:
    return StoreError(
        "This study was deleted.",
        why="It was deleted while this was being done, and nothing of it is kept any more.",
        fix="Begin a new study on the Train tab.",
    )
