"""Text burnt into the corners of an image: found by how letters lie in a row, never read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from imil.core.images import to_uint8
from imil.core.records import Pixels

# Share of the height that is looked at, at the top and at the bottom: scanners write names there. A
# line of text belongs to the corner that it is nearer to.
HIGH = 0.25
# Images are looked at with this many pixels on their longer side at most: small text of large films
# is then still letters of six pixels, and the look takes no longer than to decode the image.
LOOKED_AT = 1400
# Letters: px high and wide at that size, and the share of their box that strokes fill.
HEIGHTS, WIDTHS, _FILLED = (6, 42), (1, 50), (0.12, 0.95)
# Grey levels by which strokes stand out of what is around them; overlays are drawn at full white.
CONTRAST = 60
# Px around a stroke that are called around; wider than the thickest stroke.
_AROUND = 11
# Letters of a line, at least; fewer is a side mark such as “L”, or chance.
LETTERS = 5
# In a line: letters are at most so much higher than the lowest, and lie so near each other, in
# heights; and their brightest pixels differ by at most so many grey levels.
TALLER, GAP, UNEVEN = 2.2, 1.6, 40
# Px by which the black box is larger than the text, at the size looked at.
_MARGIN = 6


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of an image, px; `bottom` and `right` are the first row and column after it."""

    top: int
    left: int
    bottom: int
    right: int


def corner_text(pixels: Pixels) -> tuple[Box, ...]:
    """Return where text seems to be burnt into the corners, each box reaching to the border.

    A heuristic without any model: strokes brighter or darker than what lies around them, of the
    size of letters, evenly bright, in rows of `LETTERS` or more. What it finds and misses is
    measured in docs/trials/text-in-corners.md.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.

    Returns:
        At most one box a corner: top left, top right, bottom left, bottom right.
    """
    grey = _grey(pixels)
    height, width = grey.shape
    step = max(1, -(-max(height, width) // LOOKED_AT))
    small = _shrunk(grey, step)
    high, wide = int(small.shape[0] * HIGH), small.shape[1]
    if high < 2 * HEIGHTS[0]:
        return ()
    found = []
    for top in (True, False):
        lines = _lines(small[:high] if top else small[-high:])
        for left in (True, False):
            own = [line for line in lines if (line.left <= wide - line.right) == left]
            if not own:
                continue
            deep = max(line.bottom if top else high - line.top for line in own) + _MARGIN
            broad = max(line.right if left else wide - line.left for line in own) + _MARGIN
            found.append(_corner((height, width), deep * step, broad * step, top=top, left=left))
    return tuple(found)


def _corner(size: tuple[int, int], deep: int, broad: int, *, top: bool, left: bool) -> Box:
    """Return the box of (height, width) `size` that reaches from a corner so far in."""
    height, width = size
    deep, broad = min(height, deep), min(width, broad)
    first = (0 if top else height - deep, 0 if left else width - broad)
    return Box(*first, first[0] + deep, first[1] + broad)


def blacked_out(pixels: Pixels, boxes: tuple[Box, ...]) -> Pixels:
    """Return a copy of the pixels with the boxes at 0."""
    made = pixels.copy()
    for box in boxes:
        made[box.top : box.bottom, box.left : box.right] = 0
    return made


def _grey(pixels: Pixels) -> NDArray[np.uint8]:
    eight = to_uint8(pixels)
    return eight if eight.ndim == 2 else eight.max(axis=2)


def _shrunk(grey: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Return the brightest of each `step` × `step` pixels, so that thin strokes stay."""
    if step == 1:
        return grey
    height, width = (side // step * step for side in grey.shape)
    blocks = grey[:height, :width].reshape(height // step, step, width // step, step)
    brightest: NDArray[np.uint8] = blocks.max(axis=(1, 3))
    return brightest


def _lines(strip: NDArray[np.uint8]) -> list[Box]:
    """Return the lines of text in a strip, bright on dark and dark on bright."""
    return _bright_lines(strip) + _bright_lines(255 - strip)


def _bright_lines(strip: NDArray[np.uint8]) -> list[Box]:
    strokes = ndimage.white_tophat(strip, size=_AROUND) >= CONTRAST
    if not strokes.any():
        return []
    numbered, _ = ndimage.label(strokes, structure=np.ones((3, 3)))
    letters = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbered), start=1):
        high, wide = rows.stop - rows.start, columns.stop - columns.start
        if not (HEIGHTS[0] <= high <= HEIGHTS[1] and WIDTHS[0] <= wide <= WIDTHS[1]):
            continue
        own = numbered[rows, columns] == number
        if not _FILLED[0] <= own.mean() <= _FILLED[1] + (wide <= high / 3):
            continue
        bright = float(np.quantile(strip[rows, columns][own], 0.8))
        letters.append((Box(rows.start, columns.start, rows.stop, columns.stop), bright))
    letters.sort(key=lambda letter: letter[0].left)
    return [line for line in _rows_of(letters) if line is not None]


def _rows_of(letters: list[tuple[Box, float]]) -> list[Box | None]:
    """Return the box of each row of letters; None for rows that are too short or uneven."""
    rows: list[list[tuple[Box, float]]] = []
    for box, bright in letters:
        for row in rows:
            last, level = row[-1]
            tall, low = max(_high(last), _high(box)), min(_high(last), _high(box))
            overlap = min(last.bottom, box.bottom) - max(last.top, box.top)
            near = box.left - last.right <= GAP * tall
            if (
                near
                and overlap >= low / 2
                and tall <= TALLER * low
                and abs(bright - level) <= UNEVEN
            ):
                row.append((box, bright))
                break
        else:
            rows.append([(box, bright)])
    return [_box_of(row) for row in rows]


def _box_of(row: list[tuple[Box, float]]) -> Box | None:
    boxes = [box for box, _ in row]
    widths = {box.right - box.left for box in boxes}
    # Marks of a ruler are as alike as no letters are.
    if len(boxes) < LETTERS or len(widths) < 2:
        return None
    return Box(
        min(box.top for box in boxes),
        min(box.left for box in boxes),
        max(box.bottom for box in boxes),
        max(box.right for box in boxes),
    )


def _high(box: Box) -> int:
    return box.bottom - box.top
