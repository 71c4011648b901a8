"""Who read a study and how far they agree; their masks side by side once they may be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from markupsafe import Markup

from imil.core.records import Region
from imil.core.review.agreement import (
    ImageAgreement,
    PairAgreement,
    ReaderFigures,
    ReaderSummary,
)
from imil.core.review.masks import fitted_region
from imil.core.review.readers import POOLED
from imil.report.parts import numbers
from imil.report.parts.markup import card, jpeg_url, render
from imil.report.parts.overlays import painted_jpeg, picture

READERS_OPEN = "shown each other's masks since {time} UTC"
POOLED_MASK = {
    "union": "All: union",
    "intersection": "All: intersection",
    "majority": "All: majority",
}

# Images on the page, those of least agreement. Our choice: a few small pictures each.
_SHOWN = 12


@dataclass(frozen=True, slots=True, eq=False)
class MaskedImage:
    """An image and what its readers hide of it.

    Attributes:
        title: what people call it.
        thumbnail: a small picture of it.
        masks: (H, W) by reader, True = hide; under `POOLED` what is made of all of them.
        pooling: how that is made, a `Pooling`; "" for one reader.
    """

    title: str
    thumbnail: Path
    masks: Mapping[str, Region]
    pooling: str


def readers_card(
    found: ReaderSummary, masked: Callable[[str], MaskedImage], *, refused: bool = False
) -> Markup:
    """Return the card; nothing where nobody has masked anything that another must not see.

    Its buttons carry `data-ask`: {"act": "unblind"}, or {"file": "agreement"}.

    Args:
        found: who read, and how far they agree.
        masked: from an image's id to its masks; asked for only once readers may see them.
        refused: whether somebody was refused another's masks.
    """
    blind = found.unblinded is None
    if len(found.readers) < 2 and blind and not refused:
        return Markup()
    shown = () if blind else found.agreement.images[:_SHOWN]
    images = [_image(image, masked(image.sample_id)) for image in shown]
    return _card(found, blind=blind, images=images)


def readers_words(found: ReaderSummary | None) -> Markup:
    """Return the card without pictures and buttons, for the report; nothing for one reader."""
    if found is None or len(found.readers) < 2:
        return Markup()
    return _card(found)


def _card(found: ReaderSummary, *, blind: bool = False, images: Sequence[Any] = ()) -> Markup:
    aside = "blind to each other"
    if found.unblinded is not None:
        aside = READERS_OPEN.format(time=f"{found.unblinded:%d %b %Y, %H:%M}")
    body = render(
        "readers.html",
        readers=[_reader(each) for each in found.readers],
        pairs=[_pair(each) for each in found.agreement.pairs],
        agreed=found.agreement,
        late=found.late,
        blind=blind,
        images=images,
    )
    return card("Readers", body, aside=aside)


def _reader(each: ReaderFigures) -> list[str]:
    return [
        each.reader,
        numbers.count(each.images),
        numbers.count(each.skipped),
        numbers.duration(each.median_seconds),
        numbers.duration(each.seconds),
    ]


def _pair(each: PairAgreement) -> list[str]:
    return [
        f"{each.first} and {each.second}",
        numbers.count(each.both),
        numbers.count(each.only_first),
        numbers.count(each.only_second),
        numbers.with_interval(each.dice),
        numbers.with_interval(each.iou),
    ]


def _image(image: ImageAgreement, masked: MaskedImage) -> dict[str, Any]:
    pixels = picture(masked.thumbnail)
    shape = (pixels.shape[0], pixels.shape[1])
    return {
        "title": masked.title,
        "name": PurePosixPath(masked.title).stem,
        "dice": image.dice,
        "iou": image.iou,
        "masks": [
            {
                "reader": POOLED_MASK[masked.pooling] if reader == POOLED else reader,
                "pooled": reader == POOLED,
                "address": jpeg_url(painted_jpeg(pixels, fitted_region(region, shape))),
            }
            for reader, region in masked.masks.items()
        ],
    }
