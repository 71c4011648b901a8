"""What the model's answers and the button beside them lead to, on the film that is open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.painter.painter import decode_painted, offer, saliency_value
from imil.app.predicted.predicted_sheet import show_start
from imil.app.review.answer_card import answer_values, trouble_value
from imil.app.review.queue_picker import read_view
from imil.app.screen import Screen
from imil.app.server.rates import Cost, costs
from imil.app.server.updates import QUIET_EVENT, Updates, unchanged
from imil.errors import ImilError
from imil.report.parts import text


@dataclass(frozen=True, slots=True, eq=False)
class PredictedHandlers:
    """Callbacks of the answer's slot, and of the button beside it."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        tab = self.screen.outliers
        # "always_last": strokes made while the model answers are answered once, by the newest.
        tab.painter.stroke(
            self.answer,
            [tab.painter, *tab.picker.view],
            tab.read.answer,
            trigger_mode="always_last",
            **QUIET_EVENT,
        )
        tab.painter.saliency(
            self.saliency,
            tab.painter,
            tab.painter,
            trigger_mode="always_last",
            **QUIET_EVENT,
        )
        tab.read.start.click(self.start, tab.painter, [tab.painter, tab.read.start], **QUIET_EVENT)

    @costs(Cost.ASK)
    def answer(self, payload: Any, kind: str, chosen: Any) -> Iterator[dict[str, str] | None]:
        """Say what the model would say to what is painted, and then whether that hides much."""
        painted = decode_painted(payload)
        if painted is None:
            yield None
            return
        try:
            study = self.screen.studies.open(painted.study_id)
            yield from answer_values(study, painted, read_view(study, kind, chosen).opened_from)
        except ImilError as error:
            yield trouble_value(painted, error)

    @costs(Cost.ASK)
    def saliency(self, payload: Any) -> Updates:
        """Say where the model looks in the film that is open, or why that can't be said."""
        painted = decode_painted(payload)
        if painted is None:
            return unchanged()
        study_id, sample_id = painted.study_id, painted.sample_id
        try:
            looked = self.screen.studies.open(study_id).model.saliency(sample_id)
        except ImilError as error:
            heat = saliency_value(study_id, sample_id, None, why=str(error))
        else:
            why = text.SALIENCY_ZERO if looked.zero else ""
            heat = saliency_value(study_id, sample_id, looked.saliency, why=why)
        # `asked` makes each a new value: the browser hears of a film that it had left, too.
        heat["asked"] = painted.stroke
        return {self.screen.outliers.painter: gr.update(heat=heat)}

    @costs(Cost.ASK)
    def start(self, payload: Any) -> Updates:
        """Offer the predicted mask of the film that is open, to be corrected."""
        painted = decode_painted(payload)
        if painted is None:
            return unchanged()
        study, sample_id = self.screen.studies.open(painted.study_id), painted.sample_id
        predicted = study.predictions.region(sample_id, painted.reader)
        offered = offer(study.study_id, sample_id, predicted, stroke=painted.stroke)
        tab = self.screen.outliers
        return {
            tab.painter: gr.update(offered=offered),
            **show_start(tab.read.start, study, sample_id, painted.reader),
        }
