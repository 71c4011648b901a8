"""The files of a study's images on this machine: which are there, and which come back."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imil.core.burnt_in import blacked_out, corner_text
from imil.core.records import Pixels
from imil.errors import DataError
from imil.sources.choices import Choices
from imil.sources.dicom_process import DicomReader
from imil.sources.folder import MADE
from imil.sources.listing import Listing
from imil.sources.nameless import numbered, pixel_id, write_pixels
from imil.sources.pictures import look_through
from imil.sources.pixels import PixelsError, read_pixels
from imil.sources.tree import Findings, is_dicom, is_image, scan


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file that was brought again had.

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


class Stock:
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
        # Asked for often, and of a hundred thousand files: once whole, a stock stays so.
        if not self._whole:
            there = set(self._root.rglob("*")) if self._root.is_dir() else set()
            missing = sum(file not in there for file in self._files.values())
            self._whole = not missing
            return missing
        return 0

    def bring(
        self,
        fill: Callable[[Path], int],
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Brought:
        """Take the images that are missing out of a folder; each is known by its pixels alone.

        Args:
            fill: makes the folder, puts the files in that the study was begun with, and returns
                how many of them can't be read.
            on_progress: told (done, total) after each file.

        Raises:
            DataError: what is wrong with the files, or that no image of the study is among them.
        """
        if not self._salt:
            raise DataError(
                "The images of this study can't be brought again.",
                why="It was begun by an older version, which knew images by their names.",
                fix="Begin a new study with the same file.",
            )
        unpacked = self._work / secrets.token_hex(8)
        try:
            unreadable = fill(unpacked)
            with self._lock:
                found, others = self._take(unpacked, on_progress)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        brought = Brought(found, self.missing, others, unreadable)
        if not found and brought.missing:
            raise DataError(
                "No image of this study is in this file.",
                why=f"{others} images were compared by their pixels with the {brought.missing} "
                "that are missing." + (f" {unreadable} can't be read." if unreadable else ""),
                fix="Bring the file that the study was begun with, its images unchanged.",
            )
        return brought

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

    def _take(
        self, unpacked: Path, on_progress: Callable[[int, int], None] | None
    ) -> tuple[int, int]:
        """Return how many missing images were put back, and how many others there were."""
        tree = scan(unpacked, Findings())
        names = sorted(n for n, file in tree.files.items() if is_image(n) or is_dicom(n, file))
        seen: Counter[str] = Counter()
        found = 0
        self._root.mkdir(parents=True, exist_ok=True)
        with DicomReader(salt=self._salt) as reader:
            pictures = look_through(tree, reader, unpacked / MADE)
            for done, name in enumerate(names, start=1):
                try:
                    file = pictures.file(name, tree.files[name], self._choices, None)
                    pixels = read_pixels(file)
                    if self._choices.black_corners:
                        pixels = blacked_out(pixels, corner_text(pixels))
                    found += self._put_pixels(pixels, seen)
                except PixelsError:
                    pass  # Counted among the others, as it was skipped when the study was begun.
                if on_progress is not None:
                    on_progress(done, len(names))
        return found, len(names) - found

    def _put_pixels(self, pixels: Pixels, seen: Counter[str]) -> bool:
        """Put an image back where it is missing; return whether it was."""
        target = self._files.get(numbered(pixel_id(pixels, self._salt), seen))
        if target is None or target.exists():
            return False
        write_pixels(target, pixels)
        return True
