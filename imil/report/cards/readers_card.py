"""Who read a study and how far they agree; their masks side by side once they may be seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

from imil.core.records import Region
from imil.core.review.agreement import Agreement, ImageAgreement, PairAgreement
from imil.core.review.masks import fitted_region
from imil.report.parts import numbers, text
from imil.report.parts.markup import icon, jpeg_url, note, short_title
from imil.report.parts.overlays import painted_jpeg, picture
from imil.report.parts.tables import card, remark, stacked
from imil.study.comparison.reporting import POOLED
from imil.study.review.reading import ReaderFigures, Reading
from imil.study.study import Study

# Images on the page, those of least agreement. Our choice: a few small pictures each.
SHOWN = 12


def readers_card(study: Study, reader: str | None = None) -> str:
    """Return the card; nothing where nobody has masked anything that another must not see.

    Its buttons carry `data-ask`: {"act": "unblind"}, or {"file": "agreement"}.

    Args:
        study: whose readers.
        reader: who was refused another's masks; None for nobody.
    """
    found = study.reading()
    refused = reader is not None and study.blind(reader)
    if len(found.readers) < 2 and found.unblinded is None and not refused:
        return ""
    more = _blind() if found.unblinded is None else _images(study, found.agreement)
    return card(text.READERS, _tables(found) + more, aside=_aside(found))


def readers_words(found: Reading | None) -> str:
    """Return the card without pictures and buttons, for the report; nothing for one reader."""
    if found is None or len(found.readers) < 2:
        return ""
    return card(text.READERS, _tables(found), aside=_aside(found))


def _tables(found: Reading) -> str:
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


def _aside(found: Reading) -> str:
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


def _images(study: Study, agreed: Agreement) -> str:
    if not agreed.images:
        return ""
    ask = escape(json.dumps({"file": "agreement"}))
    label = text.DOWNLOAD_FILE.format(name=text.DOWNLOAD_AGREEMENT)
    shown = agreed.images[:SHOWN]
    count = text.LOWEST_SHOWN.format(
        shown=numbers.count(len(shown)), n=numbers.count(len(agreed.images))
    )
    rows = "".join(_image(study, image) for image in shown)
    return (
        f'<div class="agreehead"><h3>{escape(text.LOWEST_AGREEMENT)}</h3>'
        f'<span class="sub s12">{escape(count)}</span>'
        f'<button type="button" class="imil-btn" data-ask="{ask}" aria-label="{escape(label)}" '
        f'title="{escape(label)}">{icon("download")}<span>{escape(text.DOWNLOAD_AGREEMENT)}</span>'
        f'</button></div><div class="agreelist">{rows}</div>'
    )


def _image(study: Study, image: ImageAgreement) -> str:
    figures = text.AGREE_OF.format(dice=numbers.share(image.dice), iou=numbers.share(image.iou))
    pictures = "".join(_pictures(study, image.sample_id, study.masks_of(image.sample_id)))
    name, title = short_title(study.images, image.sample_id), study.images.title(image.sample_id)
    return (
        f'<section class="agreeimage"><h4 title="{escape(title)}">{escape(name)}</h4>'
        f'<p class="sub s12">{escape(figures)}</p><div class="readings">{pictures}</div></section>'
    )


def _pictures(study: Study, sample_id: str, masks: Mapping[str, Region]) -> list[str]:
    pixels = picture(study.thumbnail(sample_id))
    shape = (pixels.shape[0], pixels.shape[1])
    shown = []
    for reader, region in masks.items():
        name = text.POOLED_MASK[study.pooling] if reader == POOLED else reader
        label = text.MASK_OF.format(reader=name, sample=study.images.title(sample_id))
        address = jpeg_url(painted_jpeg(pixels, fitted_region(region, shape)))
        kind = ' class="pooled"' if reader == POOLED else ""
        shown.append(
            f'<figure{kind}><img src="{address}" alt="{escape(label)}" loading="lazy">'
            f'<figcaption title="{escape(name)}">{escape(name)}</figcaption></figure>'
        )
    return shown
