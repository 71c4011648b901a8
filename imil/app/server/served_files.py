"""Files in Gradio's folder: what visitors brought and what was handed out to them. Each goes soon.

Uploads say whose images they are: by their names, and by what is written in the files. Anything in
this folder can be fetched by whoever knows its address.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
import time
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gradio.utils import get_upload_folder

# Seconds after which a file goes that nothing reads: uploads that no step followed, masks that were
# sent, files that were handed out. Long enough to fill in a form, and to start a download.
KEEP_SECONDS = 1800.0
# Seconds between two looks for such files.
SWEEP_SECONDS = 60.0
# How folders begin of files that are handed out.
_HANDOUT = "handout-"


class Uploads:
    """What visitors brought: each file goes as soon as it was read, or no page shows it any more.

    Gradio puts files of one name and content in one place, so that several visitors may need one
    file. Safe to use from several threads.

    Args:
        folder: where Gradio puts files; its own folder if None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._needed: dict[Path, set[Hashable]] = {}
        self._read: dict[Path, int] = {}
        self._lock = threading.Lock()

    def show(self, page: Hashable, *files: str | None) -> None:
        """Note which files a page shows now; what it showed before is let go."""
        now = set(_paths(files))
        with self._lock:
            before = [path for path, pages in self._needed.items() if page in pages]
            for path in now:
                self._needed.setdefault(path, set()).add(page)
            for path in set(before) - now:
                self._let_go(path, page)

    def shows(self, page: Hashable) -> bool:
        """Return whether a page shows a file that was not read since."""
        with self._lock:
            return any(page in pages for pages in self._needed.values())

    def begin(self, *files: str | Path | None) -> None:
        """Keep files until `end` is called for them: they are about to be read."""
        with self._lock:
            for path in _paths(files):
                self._read[path] = self._read.get(path, 0) + 1

    def end(self, page: Hashable, *files: str | Path | None) -> None:
        """Let go of files that were read, for the page that showed them as well."""
        with self._lock:
            for path in _paths(files):
                self._read[path] = self._read.get(path, 1) - 1
                if self._read[path] <= 0:
                    del self._read[path]
                self._let_go(path, page)

    @contextmanager
    def reading(self, *files: str | Path | None) -> Iterator[None]:
        """Keep files while they are read, and let go of them afterwards, whatever came of it."""
        self.begin(*files)
        try:
            yield
        finally:
            self.end(None, *files)

    def sweep(self, *, keep: float = KEEP_SECONDS) -> None:
        """Delete every file in the folder that is older than `keep` seconds and not being read."""
        folder, oldest = self._where(), time.time() - keep
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            with self._lock, suppress(FileNotFoundError):
                if path not in self._read and path.stat().st_mtime < oldest:
                    self._needed.pop(path, None)
                    path.unlink()
        for path in sorted(folder.rglob("*"), reverse=True):
            # A folder that was just made may be about to get its file.
            with suppress(OSError):
                if path.is_dir() and path.stat().st_mtime < oldest:
                    path.rmdir()

    def keep_sweeping(self, ended: threading.Event) -> None:
        """Sweep now and again until the app has ended."""
        while not ended.wait(SWEEP_SECONDS):
            with suppress(OSError):  # what can't be removed now may be the next time
                self.sweep()

    def _let_go(self, path: Path, page: Hashable) -> None:
        """Delete a file unless another page shows it, or it is read."""
        pages = self._needed.get(path, set())
        pages.discard(page)
        if pages or path in self._read:
            return
        self._needed.pop(path, None)
        # Each upload has a folder of its own; nothing else is ours to delete.
        if path.parent.parent.resolve() == self._where().resolve():
            path.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()

    def _where(self) -> Path:
        return (self._folder or Path(get_upload_folder())).absolute()


def _paths(files: Iterable[str | Path | None]) -> list[Path]:
    return [Path(file).absolute() for file in files if file]


def download_folder(study_id: str) -> Path:
    """Return a new folder where Gradio may serve files of a study; nobody guesses its name."""
    folder = _handouts(study_id) / secrets.token_hex(16)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def forget_downloads(study_id: str) -> None:
    """Delete every file of a study that was handed out."""
    shutil.rmtree(_handouts(study_id), ignore_errors=True)


def _handouts(study_id: str) -> Path:
    # Hashed, since whoever knows a study's id can open it.
    digest = hashlib.sha256(study_id.encode()).hexdigest()
    return Path(get_upload_folder()) / f"{_HANDOUT}{digest[:32]}"
