"""Queues as they can be looked at, as named endpoints for gradio_client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from imil.app.server.errors import errors_shown
from imil.errors import PlanError
from imil.study.library.studies import Studies
from imil.study.review.queueing import Offer
from imil.study.review.viewing import look, seen
from imil.study.study import Study


def queue_endpoints(studies: Studies) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints that show a queue and the confusion matrix it can be narrowed by."""

    def queue(
        study: str,
        queue: str = "mispredicted",
        sort: str = "worst",
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
        with errors_shown():
            opened = studies.open(str(study))
            view = look(
                queue,
                sort=sort,
                label=None if label is None else _number(opened, label),
                cell=None if cell is None else _numbers(opened, cell),
                classes=len(opened.images.classes),
                reader=reader,
            )
            who = reader and view.reader
            images = [offer_json(opened, offer, who) for offer in seen(opened, view)]
            found = len(images) if view.cell is not None else opened.found(view.queue)
            return {"images": images, "found": found}

    def confusion(study: str) -> dict[str, Any]:
        """Return how many training images of each class, a row, the model gives to each class."""
        with errors_shown():
            opened = studies.open(str(study))
            counts = [list(row) for row in opened.confusion()]
            return {"classes": list(opened.images.classes), "counts": counts}

    return (queue, confusion)


def offer_json(study: Study, offer: Offer, reader: str | None = None) -> dict[str, Any]:
    """Return an image of a queue with what a reader, or anybody, did with it."""
    triage = study.triage(offer.sample_id)
    return asdict(offer) | {
        "title": study.images.title(offer.sample_id),
        "review": study.review_state(offer.sample_id, reader),
        "triage": None if triage is None else asdict(triage),
    }


def _numbers(study: Study, names: Any) -> Sequence[int]:
    if not isinstance(names, list):
        raise PlanError(
            f"There is no cell {names!r}.",
            why="A cell of the confusion matrix is a label and a prediction.",
            fix="Send the names of two classes.",
        )
    return [_number(study, name) for name in names]


def _number(study: Study, name: Any) -> int:
    classes = study.images.classes
    if name not in classes:
        raise PlanError(
            f"There is no class “{name}”.",
            why=f"The classes are {', '.join(classes)}.",
            fix="Name one of them.",
        )
    return classes.index(name)
