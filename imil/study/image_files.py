"""The files of a study's images on this machine: which are there, and which come back."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imil.datasets.choices import Choices
from imil.datasets.files.pixels import PixelsError
from imil.datasets.listing import Listing
from imil.datasets.matching import match_by_pixels
from imil.datasets.reading.uploads import UploadReader
from imil.errors import DataError

# Folder of what is fetched again, while it is compared.
_FILLED = "filled"


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What of a study's images a file that was brought again had.

    Attributes:
        found: images of the study that were missing, and are there again.
        missing: images of the study that are still missing.
        others: images in the file that are not, or no longer missing from, the study.
        unreadable: files of it that can't be read.
    """

    found: int
    missing: int
    others: int
    unreadable: int = 0


class ImageFiles:
    """The image files of one study; safe to use from several threads.

    Args:
        listing: of the study.
        salt: of its hashes; "" where its images are known by name.
        work: a folder for what is unpacked meanwhile.
        choices: how pixels were read when the study was begun; as always if None.
    """

    def __init__(
        self, listing: Listing, salt: str, work: Path, choices: Choices | None = None
    ) -> None:
        self._choices = choices or Choices()
        self._files = {entry.sample_id: entry.file for entry in listing.entries}
        self._root = listing.root
        self._salt = salt
        self._work = work
        self._whole = False
        self._lock = threading.Lock()

    @property
    def missing(self) -> int:
        """How many images are not there."""
        # Asked for often, and of a hundred thousand files: once whole, they stay so.
        if not self._whole:
            there = set(self._root.rglob("*")) if self._root.is_dir() else set()
            missing = sum(file not in there for file in self._files.values())
            self._whole = not missing
            return missing
        return 0

    def restore_archive(
        self,
        archive: Path,
        uploads: UploadReader,
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> RestoreReport:
        """Take the images that are missing out of a zip; each is known by its pixels alone.

        Args:
            archive: the zip that the study was begun with.
            uploads: reads it.
            on_progress: told (done, total) after each file.

        Raises:
            DataError: what is wrong with the zip, or that no image of the study is in it.
        """

        def take(work: Path) -> tuple[int, int, int]:
            return uploads.put_back(
                archive,
                work,
                self._files,
                salt=self._salt,
                choices=self._choices,
                on_progress=on_progress,
            )

        return self._restored(take)

    def restore_folder(
        self,
        fill: Callable[[Path], int],
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> RestoreReport:
        """Take the images that are missing out of a folder, as `restore_archive`.

        `fill` makes the folder, puts the files in that the study was begun with, and returns how
        many of them can't be read.
        """

        def take(work: Path) -> tuple[int, int, int]:
            unreadable = fill(work / _FILLED)
            found, others = match_by_pixels(
                work / _FILLED,
                self._files,
                salt=self._salt,
                choices=self._choices,
                on_progress=on_progress,
            )
            return found, others, unreadable

        return self._restored(take)

    def _restored(self, take: Callable[[Path], tuple[int, int, int]]) -> RestoreReport:
        if not self._salt:
            raise DataError(
                "The images of this study can't be brought again.",
                why="It was begun by an older version, which knew images by their names.",
                fix="Begin a new study with the same file.",
            )
        work = self._work / secrets.token_hex(8)
        work.mkdir(parents=True)
        try:
            with self._lock:
                found, others, unreadable = take(work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
            for unfinished in self._root.glob("*.part"):
                unfinished.unlink(missing_ok=True)
        report = RestoreReport(found, self.missing, others, unreadable)
        if not found and report.missing:
            raise DataError(
                "No image of this study is in this file.",
                why=f"{others} images were compared by their pixels with the {report.missing} "
                "that are missing." + (f" {unreadable} can't be read." if unreadable else ""),
                fix="Bring the file that the study was begun with, its images unchanged.",
            )
        return report

    def content(self, sample_id: str) -> bytes:
        """Return an image's file; DataError where it is missing."""
        try:
            return self._files[sample_id].read_bytes()
        except FileNotFoundError as cause:
            raise PixelsError(sample_id, why="The file is not there any more.") from cause

    def put(self, sample_id: str, content: bytes) -> None:
        """Put an image back as it was written; ids that the study doesn't know are left out."""
        file = self._files.get(sample_id)
        if file is None or file.exists():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".part")
        unfinished.write_bytes(content)
        unfinished.replace(file)
