"""The images of a study for people: pictures of them, and the files that are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imil.core.images import to_uint8
from imil.datasets.files.pixels import PixelsError
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import read_hub
from imil.errors import DataError
from imil.study.context import StudyContext
from imil.study.image_files import ImageFiles, RestoreReport
from imil.study.library.demo import Hint, demo_hint


class Pictures:
    """The images of a study: pictures of them, and what is missing on this machine.

    Args:
        context: of the study.
        files: of its images; None where the app draws them.
        when_whole: called once images that were missing are all there again.
    """

    def __init__(
        self, context: StudyContext, files: ImageFiles | None, when_whole: Callable[[], None]
    ) -> None:
        self._context = context
        self._files = files
        self._when_whole = when_whole
        # What the last file had that was brought again.
        self.restored: RestoreReport | None = None

    def original(self, sample_id: str) -> NDArray[np.uint8]:
        """Return the image at its own size and 8 bits, (H, W) or (H, W, 3)."""
        return to_uint8(self._context.images.original(sample_id))

    def thumbnail(self, sample_id: str) -> Path:
        """Return a small JPEG of the image, made once; a blank one where the image is missing."""
        try:
            return self._context.workspace.thumbnail(sample_id)
        except PixelsError:
            if not self.missing:
                raise
            return self._context.workspace.blank()

    def hint(self, sample_id: str) -> Hint | None:
        """Return what a newcomer may paint on a film of the demo; None in any other study."""
        self._context.images.position(sample_id)
        return demo_hint(self._context.record.source, sample_id)

    @property
    def uploaded(self) -> bool:
        """Whether the images were brought by somebody, not drawn by the app."""
        return self._files is not None

    @property
    def missing(self) -> int:
        """How many of the images are not on this machine; masks and results are, even so."""
        return 0 if self._files is None else self._files.missing

    def require(self) -> None:
        """Raise DataError while images are missing."""
        if missing := self.missing:
            raise DataError(
                f"{missing} of {len(self._context.images)} images are not on this machine.",
                why="Masks and results are kept, but not the images themselves.",
                fix="Bring the file that the study was begun with again, on the Train tab.",
            )

    def restore(
        self, archive: Path, *, on_progress: Callable[[int, int], None] | None = None
    ) -> RestoreReport:
        """Take the missing images out of a zip; once all are there, training is made again.

        Args:
            archive: the file that the study was begun with; images are known by their pixels.
            on_progress: told (done, total) after each file.

        Raises:
            DataError: what is wrong with the zip, or that no image of the study is in it.
        """
        files, uploads = self._uploaded_files(), self._context.services.uploads
        return self._noted(files.restore_archive(archive, uploads, on_progress=on_progress))

    def fetch(self, *, on_progress: Callable[[int, int], None] | None = None) -> RestoreReport:
        """Fetch the missing images from the Hub data set that they came from; as `restore`.

        Raises:
            DataError: they came from elsewhere, or what is wrong with the way to the data set.
        """
        asked = self._context.record.source.get("asked")
        if asked is None:
            raise DataError(
                "The images of this study can't be fetched again.",
                why="They came from a file.",
                fix="Bring that file again.",
            )
        request = HubRequest(**{**asked, "splits": tuple(asked["splits"])})
        endpoint = self._context.services.endpoint

        def fetch(into: Path) -> int:
            listing, _ = read_hub(request, into, endpoint=endpoint)
            return listing.report.left_out

        files = self._uploaded_files()
        return self._noted(files.restore_folder(fetch, on_progress=on_progress))

    def _uploaded_files(self) -> ImageFiles:
        if self._files is None:
            raise DataError(
                "This study needs no images from you.",
                why="Its films are drawn by the app.",
                fix="Begin a new study to bring images of your own.",
            )
        return self._files

    def _noted(self, report: RestoreReport) -> RestoreReport:
        self.restored = report
        if not report.missing:
            self._when_whole()
        return report
