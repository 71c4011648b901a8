"""Endpoints of the review: queues, images, masks, decisions on labels, and several readers."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imil.app.api.parameters import API_READER
from imil.app.results.downloads import export_predictions
from imil.core.records import Origin, Queue, Region, Selection
from imil.core.review.counterfactual import Answer
from imil.core.review.readers import reader_name
from imil.errors import PlanError
from imil.report.parts import text
from imil.study.comparison.formats import reading_json
from imil.study.review.queueing import Offer
from imil.study.review.viewing import Sort, parse_view, view_offers
from imil.study.study import Study


def select(study: Study, selection: Selection, reader: str = API_READER) -> str:
    """Find the mispredicted in another way: in_sample, out_of_fold or persistent."""
    study.queues.select(selection, who=reader_name(reader))
    return study.queues.selection.value


def queue(
    study: Study,
    queue: Queue = Queue.MISPREDICTED,
    sort: Sort = Sort.WORST,
    label: str | None = None,
    cell: list[str] | None = None,
    reader: str | None = None,
) -> dict[str, Any]:
    """Return a queue in an order: worst, least_sure, name or not_reviewed.

    `label` names a class to keep to; `cell`, a label and a prediction, gives all training
    images in that cell of the confusion matrix in place of the queue. `reader` is whose review
    is told; without one, what anybody did. `found` is how many images the queue found, of which
    it offers only as many as the budget allows to paint.
    """
    view = parse_view(
        queue,
        sort=sort,
        label=None if label is None else _number(study, label),
        cell=None if cell is None else [_number(study, name) for name in cell],
        classes=len(study.images.classes),
        reader=reader,
    )
    images = [_offer(study, offer, reader and view.reader) for offer in view_offers(study, view)]
    found = len(images) if view.cell is not None else study.queues.found(view.queue)
    return {"images": images, "found": found}


def confusion(study: Study) -> dict[str, Any]:
    """Return how many training images of each class, a row, the model gives to each class."""
    counts = [list(row) for row in study.queues.confusion()]
    return {"classes": list(study.images.classes), "counts": counts}


def image(study: Study, sample: str, stored: bool = False) -> str:
    """Return an image at its own size and 8 bits, or as `stored`, as a PNG data URL."""
    kept = study.images.original(sample)
    return _png_url(kept if stored else study.pictures.original(sample))


def answer(study: Study, sample: str, mask: Region | None = None) -> dict[str, Any]:
    """Return what the model says to an image as it is, and with the mask blacked out.

    `may_hide_finding`: with the mask filled from what is around it, the label's probability falls
    by `fall`, which is more than .10, and more than `chance`: what 95 % of such masks in random
    places stay below. Both are null where nobody needed to ask. Once two masks are learned from,
    what they suggest here is filled in all of these.
    """
    check = None
    if mask is not None:
        suggested = study.predictions.of(API_READER).suggests(sample)
        check = study.model.check(sample, mask, suggested)
    return {
        **_answer(study.model.answer(sample, mask), study.images.classes),
        "may_hide_finding": check is not None and check.warns,
        "fall": None if check is None else check.fall,
        "chance": None if check is None else check.chance,
    }


def saliency(study: Study, sample: str, mask: Region | None = None) -> dict[str, Any]:
    """Return where the model looks in an image, as it is or with the mask blacked out.

    `map` is an 8-bit grey PNG data URL of the working size, stretched to its largest value.
    """
    looked = study.model.saliency(sample, mask)
    return {
        "explainers": [explainer.value for explainer in looked.explainers],
        "target": study.images.classes[looked.target],
        "zero": looked.zero,
        "words": text.SALIENCY_ZERO if looked.zero else "",
        "map": _png_url((255 * looked.saliency).round().astype(np.uint8)),
    }


def submit_mask(
    study: Study,
    sample: str,
    mask: Region,
    reader: str = API_READER,
    seconds: float = 0.0,
    queue: Queue = Queue.MISPREDICTED,
    origin: Origin = Origin.PAINTED,
) -> dict[str, Any]:
    """Keep a mask, an image of the film's own size that is white where the film is hidden.

    `queue` names the queue from which the film was taken, of which nothing is kept where that
    queue does not hold it; `origin` is painted, corrected or predicted.
    """
    budget = study.review.submit(
        sample,
        mask,
        reader=reader or API_READER,
        seconds=max(0.0, float(seconds)),
        queue=queue,
        origin=origin,
    )
    return asdict(budget)


def skip(study: Study, sample: str, reader: str = API_READER) -> dict[str, Any]:
    """Pass over an image; return the budget."""
    study.review.skip(sample, reader=reader)
    return asdict(study.review.budget())


def relabel(
    study: Study, sample: str, label: str, reader: str = API_READER
) -> list[dict[str, Any]]:
    """Say which class a training image should carry; return all that is triaged."""
    study.labels.relabel(sample, label, reader=reader)
    return [asdict(triage) for triage in study.labels.changed()]


def exclude(study: Study, sample: str, reader: str = API_READER) -> list[dict[str, Any]]:
    """Say that a training image should not be learned from; return all that is triaged."""
    study.labels.exclude(sample, reader=reader)
    return [asdict(triage) for triage in study.labels.changed()]


def keep_label(study: Study, sample: str, reader: str = API_READER) -> list[dict[str, Any]]:
    """Say that a label is right, or take a decision back; return all that is triaged."""
    study.labels.keep(sample, reader=reader)
    return [asdict(triage) for triage in study.labels.changed()]


def predictions(study: Study) -> dict[str, Any]:
    """Return how well what is irrelevant elsewhere can be predicted from the masks."""
    learned, given = study.predictions.of().learn(), study.predictions.confirmation
    return {
        "key": learned.key,
        "masks": learned.masks,
        "kind": learned.kind.value,
        "agreement": {kind.value: share for kind, share in learned.predictor.agreement.items()},
        "confidence": learned.confidence,
        "sample": list(learned.sample),
        "confirmed": study.predictions.confirmed,
        "confirmation": given and asdict(given),
    }


def predicted_mask(study: Study, sample: str) -> str:
    """Return the predicted mask of a training image, a PNG data URL, white where it hides."""
    return _png_url(study.predictions.region(sample))


def predicted_masks(study: Study) -> gr.FileData:
    """Return the predicted masks of all training images as Parquet."""
    return gr.FileData(path=str(export_predictions(study)))


def confirm_predictions(study: Study, key: str, reader: str) -> dict[str, Any]:
    """Keep that a reader found the predicted masks right; `key` is that of /predictions."""
    study.predictions.confirm(key, reader=reader)
    return predictions(study)


def readers(study: Study) -> dict[str, Any]:
    """Return who masked, how long that took, and how far each two agree (Dice, IoU)."""
    return reading_json(study.readers.reading())


def unblind(study: Study, reader: str = API_READER) -> dict[str, Any]:
    """Show readers each other's masks from now on; return what `readers` does."""
    study.readers.unblind(who=reader_name(reader))
    return reading_json(study.readers.reading())


def agreement(study: Study) -> list[dict[str, Any]]:
    """Return how far readers agree on each image, least first; once they are unblinded."""
    study.readers.check_unblinded()
    return [
        {
            "sample_id": image.sample_id,
            "readers": list(image.readers),
            "dice": image.dice,
            "iou": image.iou,
        }
        for image in study.readers.reading().agreement.images
    ]


def _png_url(pixels: NDArray[Any]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _offer(study: Study, offer: Offer, reader: str | None) -> dict[str, Any]:
    """Return an image of a queue with what a reader, or anybody, did with it."""
    triage = study.labels.decision(offer.sample_id)
    return asdict(offer) | {
        "title": study.images.title(offer.sample_id),
        "review": study.review.state(offer.sample_id, reader),
        "triage": None if triage is None else asdict(triage),
    }


def _answer(answer: Answer, classes: Sequence[str]) -> dict[str, Any]:
    """Return an answer with class names instead of numbers."""
    return {
        "label": classes[answer.label],
        "before": dict(zip(classes, answer.before, strict=True)),
        "after": dict(zip(classes, answer.after, strict=True)),
        "predicted_before": classes[answer.predicted_before],
        "predicted_after": classes[answer.predicted_after],
        "coverage": answer.coverage,
        "flips": answer.flips,
    }


def _number(study: Study, name: str) -> int:
    classes = study.images.classes
    if name not in classes:
        raise PlanError(
            f"There is no class “{name}”.",
            why=f"The classes are {', '.join(classes)}.",
            fix="Name one of them.",
        )
    return classes.index(name)
