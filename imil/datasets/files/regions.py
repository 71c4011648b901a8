"""Reference masks of an image as one file, each held against the image's size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imil.datasets.files.pictures import PictureFiles
from imil.datasets.files.pixels import PixelsError, shown_size
from imil.datasets.files.tree import Findings, Tree
from imil.datasets.files.volumes import is_volume


def region_file(
    tree: Tree,
    masks: Sequence[str],
    size: tuple[int, int],
    pictures: PictureFiles,
    findings: Findings,
) -> Path | None:
    """Return an image's reference mask, made of several where it has them; None without any.

    Args:
        tree: the files.
        masks: those of the image, by name.
        size: the image's (width, height) in px, which a mask must have.
        pictures: make one file of several.
        findings: are told of masks that are not taken.
    """
    files = [tree.files[mask] for mask in masks if _fits(tree, mask, size, findings)]
    if len(files) < 2:
        return files[0] if files else None
    try:
        return pictures.joined(files)
    except PixelsError as error:
        findings.skip(masks[0], error.why)
        return None


def _fits(tree: Tree, mask: str, size: tuple[int, int], findings: Findings) -> bool:
    """Return whether a mask can be opened and has the image's (width, height); note why not."""
    why = tree.unread.get(mask, "")
    if is_volume(mask):
        why = "A mask is read from a picture file, not from a volume."
    if not why:
        try:
            own = shown_size(tree.files[mask])
        except PixelsError as error:
            why = error.why
        else:
            if own != size:
                why = f"The mask has {own[0]} × {own[1]} pixels, its image {size[0]} × {size[1]}."
    if why:
        findings.skip(mask, why)
    return not why
