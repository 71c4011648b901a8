"""Images that show nothing, met when pixels are read: they are left out, unless most are so."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imil.core.records import Pixels
from imil.datasets.layout.samples import ONE_LEVEL
from imil.datasets.listing import Entry, Skipped


def shows_nothing(pixels: Pixels) -> bool:
    """Return whether all pixels are alike; of an image that is transparent all over, they are."""
    return bool((pixels == pixels[0, 0]).all())


def without_blank(
    entries: Sequence[Entry], blank: Collection[str]
) -> tuple[tuple[Entry, ...], tuple[Skipped, ...], tuple[str, ...]]:
    """Return the images that show something, those left out, and what is to be told.

    Args:
        entries: the images that were read.
        blank: ids of those that show nothing; where they are most of all, they stay.
    """
    count = f"{len(blank)} images" if len(blank) != 1 else "1 image"
    if 2 * len(blank) > len(entries):
        return tuple(entries), (), (f"blank: {count} of {len(entries)} read show nothing.",)
    if not blank:
        return tuple(entries), (), ()
    kept = tuple(entry for entry in entries if entry.sample_id not in blank)
    left = tuple(Skipped(name, ONE_LEVEL) for name in sorted(blank))
    return kept, left, (f"blank: once read, {count} more left out: nothing is on it.",)
