"""What the model's answers and the predicted masks on the Outliers tab lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.painter.painter import decode_painted, offer, saliency_value
from imil.app.predicted.predicted_panel import look_at_predicted, show_start
from imil.app.results.downloads import export_predictions
from imil.app.review import outliers_tab
from imil.app.review.answer_card import answer_value, trouble_value
from imil.app.review.queue_picker import read_view
from imil.app.screen import Screen
from imil.app.server.input_checks import event_value
from imil.app.server.rates import Cost, costs
from imil.app.server.updates import QUIET_EVENT, SLOW_EVENT, Updates, unchanged
from imil.errors import ImilError
from imil.report.parts import text


@dataclass(frozen=True, slots=True, eq=False)
class PredictedHandlers:
    """Callbacks of the answer's slot, of the button beside it, and of the panel below."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        tab, study_id = self.screen.outliers, self.screen.study_id
        panel = tab.predicted
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
        looked = [*panel.outputs, tab.read.start]
        seen = tab.picker.view
        panel.look.click(self.look, [study_id, tab.painter, *seen], looked, **SLOW_EVENT)
        confirmed = [study_id, panel.seen, *seen]
        panel.confirm.click(self.confirm, confirmed, panel.outputs, **QUIET_EVENT)
        panel.body.select(self.open, [study_id, *tab.picker.view], tab.film, **QUIET_EVENT)
        panel.prepare.click(self.prepare, study_id, [panel.prepare, panel.download], **SLOW_EVENT)

    @costs(Cost.ASK)
    def answer(self, payload: Any, kind: str, chosen: Any) -> dict[str, str] | None:
        """Say what the model would say to what is painted."""
        painted = decode_painted(payload)
        if painted is None:
            return None
        try:
            study = self.screen.studies.open(painted.study_id)
            return answer_value(study, painted, read_view(study, kind, chosen).opened_from)
        except ImilError as error:
            return trouble_value(painted, error)

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

    @costs(Cost.ASK)
    def look(self, study_id: str, payload: Any, kind: str, chosen: Any) -> Updates:
        """Show what is predicted for a sample of the other images."""
        study, painted = self.screen.studies.open(study_id), decode_painted(payload)
        tab, reader = self.screen.outliers, read_view(study, kind, chosen).reader
        shown = look_at_predicted(tab.predicted, study, reader)
        if painted is not None:
            shown |= show_start(tab.read.start, study, painted.sample_id, reader)
        return shown

    def confirm(self, study_id: str, key: str, kind: str, chosen: Any) -> Updates:
        """Keep that the reader found right what this page has shown them."""
        study = self.screen.studies.open(study_id)
        reader = read_view(study, kind, chosen).reader
        study.predictions.confirm(key, reader=reader)
        return look_at_predicted(self.screen.outliers.predicted, study, reader)

    def open(self, study_id: str, kind: str, chosen: Any, event: gr.EventData) -> Updates:
        """Open an image of the sample in the painter."""
        study = self.screen.studies.open(study_id)
        tab = self.screen.outliers
        view = read_view(study, kind, chosen)
        return outliers_tab.show_image(tab, study, view, event_value(event, "sample", str))

    @costs(Cost.EXPORT)
    def prepare(self, study_id: str) -> Updates:
        """Write the predicted masks of all training images for download."""
        study = self.screen.studies.open(study_id)
        panel = self.screen.outliers.predicted
        path = export_predictions(study)
        return {
            panel.prepare: gr.update(visible=False),
            panel.download: gr.update(visible=True, value=str(path)),
        }
