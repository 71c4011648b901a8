"""Images of a study found again in a folder of files, by their pixels alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from imil.core.burnt_in import blacked_out, corner_text
from imil.core.records import Pixels
from imil.datasets.choices import Choices
from imil.datasets.deidentify import numbered, pixel_id, write_pixels
from imil.datasets.files.pictures import look_through
from imil.datasets.files.pixels import PixelsError, read_pixels
from imil.datasets.files.tree import Findings, is_dicom_file, is_image, scan
from imil.datasets.folder import MADE
from imil.datasets.reading.dicom import DicomReader


def match_by_pixels(
    folder: Path,
    files: Mapping[str, Path],
    *,
    salt: str,
    choices: Choices,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[int, int]:
    """Write the images that are missing from a study; one image at a time is in memory.

    Args:
        folder: what the study was begun with.
        files: where each image of the study belongs, by its id.
        salt: of the study's ids.
        choices: how pixels were read when the study was begun.
        on_progress: told (done, total) after each file.

    Returns:
        How many missing images were put back, and how many others there were.
    """
    tree = scan(folder, Findings())
    names = sorted(n for n, file in tree.files.items() if is_image(n) or is_dicom_file(n, file))
    seen: Counter[str] = Counter()
    found = 0
    with DicomReader(salt=salt) as reader:
        pictures = look_through(tree, reader, folder / MADE)
        for done, name in enumerate(names, start=1):
            try:
                file = pictures.file(name, tree.files[name], choices, None)
                pixels = read_pixels(file)
            except PixelsError:
                pass  # Counted among the others, as it was skipped when the study was begun.
            else:
                if choices.black_corners:
                    pixels = blacked_out(pixels, corner_text(pixels))
                found += _put(pixels, files.get(numbered(pixel_id(pixels, salt), seen)))
            if on_progress is not None:
                on_progress(done, len(names))
    return found, len(names) - found


def _put(pixels: Pixels, target: Path | None) -> bool:
    """Write an image where it is missing; return whether it was."""
    if target is None or target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    write_pixels(target, pixels)
    return True
