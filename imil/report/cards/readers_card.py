"""Who read a study and how far they agree; their masks side by side once they may be seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath

from imil.core.records import Region
from imil.core.review.agreement import (
    Agreement,
    ImageAgreement,
    PairAgreement,
    ReaderFigures,
    ReaderSummary,
)
from imil.core.review.masks import fitted_region
from imil.core.review.readers import POOLED
from imil.report.parts import numbers, text
from imil.report.parts.markup import icon, jpeg_url, note
from imil.report.parts.overlays import painted_jpeg, picture
from imil.report.parts.tables import card, remark, stacked

# Images on the page, those of least agreement. Our choice: a few small pictures each.
SHOWN = 12


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
) -> str:
    """Return the card; nothing where nobody has masked anything that another must not see.

    Its buttons carry `data-ask`: {"act": "unblind"}, or {"file": "agreement"}.

    Args:
        found: who read, and how far they agree.
        masked: from an image's id to its masks; asked for only once readers may see them.
        refused: whether somebody was refused another's masks.
    """
    if len(found.readers) < 2 and found.unblinded is None and not refused:
        return ""
    more = _blind() if found.unblinded is None else _images(found.agreement, masked)
    return card(text.READERS, _tables(found) + more, aside=_aside(found))


def readers_words(found: ReaderSummary | None) -> str:
    """Return the card without pictures and buttons, for the report; nothing for one reader."""
    if found is None or len(found.readers) < 2:
        return ""
    return card(text.READERS, _tables(found), aside=_aside(found))


def _tables(found: ReaderSummary) -> str:
    """Return who read, and how far each two agree."""
    who = stacked(text.READER_COLUMNS, [_reader(each) for each in found.readers])
    agreed = found.agreement
    if not agreed.images:
        return who + remark(text.AGREE_NONE)
    pairs = stacked(text.PAIR_COLUMNS, [_pair(each) for each in agreed.pairs])
    told = text.AGREE_ALL.format(
        dice=numbers.with_interval(agreed.dice),
        iou=numbers.with_interval(agreed.iou),
        n=numbers.some(len(agreed.images), text.AGREE_IMAGE_ONE, text.AGREE_IMAGE_MANY),
    )
    if agreed.alone:
        alone = numbers.some(agreed.alone, text.AGREE_ALONE_ONE, text.AGREE_ALONE_MANY)
        told += " " + text.AGREE_ALONE.format(alone=alone)
    late = ""
    if found.late:
        masks = numbers.some(found.late, text.MASK_ONE, text.MASK_MANY)
        late = note(text.LATE.format(masks=masks), tone="warn")
    return f'{who}<div class="agreed">{pairs}</div>{remark(told)}{late}'


def _aside(found: ReaderSummary) -> str:
    if found.unblinded is None:
        return text.READERS_BLIND
    return text.READERS_OPEN.format(time=f"{found.unblinded:%d %b %Y, %H:%M}")


def _reader(each: ReaderFigures) -> list[str]:
    return [
        escape(each.reader),
        numbers.count(each.images),
        numbers.count(each.skipped),
        escape(numbers.duration(each.median_seconds)),
        escape(numbers.duration(each.seconds)),
    ]


def _pair(each: PairAgreement) -> list[str]:
    return [
        escape(text.PAIR.format(first=each.first, second=each.second)),
        numbers.count(each.both),
        numbers.count(each.only_first),
        numbers.count(each.only_second),
        escape(numbers.with_interval(each.dice)),
        escape(numbers.with_interval(each.iou)),
    ]


def _blind() -> str:
    ask = escape(json.dumps({"act": "unblind"}))
    words = note(text.BLIND_NOTE_WORDS, tone="info", lead=text.BLIND_NOTE)
    return (
        f'{words}<details class="unblind"><summary>{escape(text.UNBLIND)}</summary>'
        f"<p>{escape(text.UNBLIND_SURE)}</p>"
        f'<button type="button" class="imil-btn" data-ask="{ask}">{escape(text.UNBLIND_DO)}'
        "</button></details>"
    )


def _images(agreed: Agreement, masked: Callable[[str], MaskedImage]) -> str:
    if not agreed.images:
        return ""
    ask = escape(json.dumps({"file": "agreement"}))
    label = text.DOWNLOAD_FILE.format(name=text.DOWNLOAD_AGREEMENT)
    shown = agreed.images[:SHOWN]
    count = text.LOWEST_SHOWN.format(
        shown=numbers.count(len(shown)), n=numbers.count(len(agreed.images))
    )
    rows = "".join(_image(image, masked(image.sample_id)) for image in shown)
    return (
        f'<div class="agreehead"><h3>{escape(text.LOWEST_AGREEMENT)}</h3>'
        f'<span class="sub s12">{escape(count)}</span>'
        f'<button type="button" class="imil-btn" data-ask="{ask}" aria-label="{escape(label)}" '
        f'title="{escape(label)}">{icon("download")}<span>{escape(text.DOWNLOAD_AGREEMENT)}</span>'
        f'</button></div><div class="agreelist">{rows}</div>'
    )


def _image(image: ImageAgreement, masked: MaskedImage) -> str:
    figures = text.AGREE_OF.format(dice=numbers.share(image.dice), iou=numbers.share(image.iou))
    pictures = "".join(_pictures(masked))
    name, title = PurePosixPath(masked.title).stem, masked.title
    return (
        f'<section class="agreeimage"><h4 title="{escape(title)}">{escape(name)}</h4>'
        f'<p class="sub s12">{escape(figures)}</p><div class="readings">{pictures}</div></section>'
    )


def _pictures(masked: MaskedImage) -> list[str]:
    pixels = picture(masked.thumbnail)
    shape = (pixels.shape[0], pixels.shape[1])
    shown = []
    for reader, region in masked.masks.items():
        name = text.POOLED_MASK[masked.pooling] if reader == POOLED else reader
        label = text.MASK_OF.format(reader=name, sample=masked.title)
        address = jpeg_url(painted_jpeg(pixels, fitted_region(region, shape)))
        kind = ' class="pooled"' if reader == POOLED else ""
        shown.append(
            f'<figure{kind}><img src="{address}" alt="{escape(label)}" loading="lazy">'
            f'<figcaption title="{escape(name)}">{escape(name)}</figcaption></figure>'
        )
    return shown
