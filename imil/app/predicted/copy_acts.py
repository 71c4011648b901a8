"""What comes of copying a mask to images that look alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.api.given import event_value
from imil.app.painter.painter import Painted, decode_painted
from imil.app.predicted.copy_card import copied_value, refused_value, show_copy, similar_value
from imil.app.predicted.predicted_panel import show_predicted
from imil.app.results import results_tab
from imil.app.review import outliers_tab
from imil.app.review.queue_picker import read_view
from imil.app.screen import Screen
from imil.app.server.errors import errors_shown
from imil.app.server.rates import Cost, costs
from imil.app.server.shown import QUIET, SLOW, Shown, unchanged
from imil.errors import ImilError, MaskError


@dataclass(frozen=True, slots=True, eq=False)
class CopyActs:
    """Callbacks of the button that shows similar images, and of the images."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        tab = self.screen.outliers
        film = [tab.painter, *tab.picker.view]
        tab.read.copy.click(self.look, film, tab.read.copies, **SLOW)
        copied = [*tab.outputs, self.screen.results.none]
        tab.read.copies.confirm(self.confirm, film, copied, **QUIET)

    @costs(Cost.ASK)
    def look(self, payload: Any, kind: str, chosen: Any) -> Shown:
        """Show the images to which the mask could be copied, with it laid over."""
        with errors_shown():
            painted = decode_painted(payload)
            if painted is None:
                return unchanged()
            study = self.screen.studies.open(painted.study_id)
            queue = read_view(study, kind, chosen).opened_from
            return {self.screen.outliers.read.copies: similar_value(study, painted, queue)}

    def confirm(self, payload: Any, kind: str, chosen: Any, event: gr.EventData) -> Shown:
        """Copy the mask to the images that are ticked; the film that is open stays open."""
        with errors_shown():
            painted = decode_painted(payload)
            if painted is None:
                return unchanged()
            tab, study = self.screen.outliers, self.screen.studies.open(painted.study_id)
            view = read_view(study, kind, chosen)
            targets = event_value(event, "targets", list)
            try:
                _check_same(
                    painted, event_value(event, "sample", str), event_value(event, "stroke", str)
                )
                study.copy_mask(
                    painted.sample_id,
                    painted.irrelevant,
                    targets,
                    reader=painted.reader,
                    seconds=max(0.0, event_value(event, "seconds", float)),
                    queue=view.opened_from,
                )
            except ImilError as error:
                return {tab.read.copies: refused_value(error)}
            return {
                tab.read.copies: copied_value(len(targets)),
                **show_copy(
                    tab.read.copy, study, painted.sample_id, view.opened_from, painted.reader
                ),
                **outliers_tab.show_reviewed(tab, study, view, painted.sample_id, others=targets),
                **show_predicted(tab.predicted, study, painted.reader),
                **results_tab.show_missing(self.screen.results, study),
            }


def _check_same(painted: Painted, sample_id: str, stroke: str) -> None:
    """Raise MaskError unless the mask is the one that was shown on the similar images."""
    if (painted.sample_id, painted.stroke) != (sample_id, stroke):
        raise MaskError(
            "The mask has changed since these images were shown.",
            why="Another mask would be copied than the one laid over them.",
            fix="Close this, and ask for the similar images again.",
        )
