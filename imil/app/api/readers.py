"""Several readers as named endpoints: who masked, how far they agree, and when they may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imil.app.api.given import READER
from imil.app.server.errors import errors_shown
from imil.core.review.readers import reader_name
from imil.storage.values import to_json
from imil.study.comparison.results import reading_json
from imil.study.library.studies import Studies


def reader_endpoints(studies: Studies) -> tuple[Callable[..., Any], ...]:
    """Return the endpoints, for `gr.api`."""

    def readers(study: str) -> dict[str, Any]:
        """Return who masked, how long that took, and how far each two agree (Dice, IoU)."""
        with errors_shown():
            return reading_json(studies.open(str(study)).reading())

    def unblind(study: str, reader: str = READER) -> dict[str, Any]:
        """Show readers each other's masks from now on; return what `readers` does."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.unblind(who=reader_name(reader))
            return reading_json(opened.reading())

    def agreement(study: str) -> list[dict[str, Any]]:
        """Return how far readers agree on each image, least first; once they are unblinded."""
        with errors_shown():
            opened = studies.open(str(study))
            opened.check_unblinded()
            return [
                {
                    "sample_id": image.sample_id,
                    "readers": list(image.readers),
                    "dice": to_json(image.dice),
                    "iou": to_json(image.iou),
                }
                for image in opened.reading().agreement.images
            ]

    return readers, unblind, agreement
