"""What the acts on the Outliers tab lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.ui import outliers_tab, results_tab
from imil.ui import screen as screens
from imil.ui.errors import errors_shown
from imil.ui.filmstrip import page_of
from imil.ui.painter import Accepted, decode_painted
from imil.ui.screen import Screen
from imil.ui.shown import QUIET, Shown
from imil.workflow.study import Study

# Names the reader of masks painted here, until visitors can sign in.
READER = "visitor"


@dataclass(frozen=True, slots=True, eq=False)
class OutliersActs:
    """Callbacks of the Outliers tab."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        screen, tab = self.screen, self.screen.outliers
        # "multiple": quick clicks must not open another film than the last one clicked.
        tab.strip.select(
            self.select, screen.study_id, tab.outputs, trigger_mode="multiple", **QUIET
        )
        tab.strip.turn(self.turn, screen.study_id, tab.strip, **QUIET)
        decided = [*tab.outputs, screen.results.none]
        tab.painter.blackout(self.black_out, tab.painter, decided, **QUIET)
        tab.painter.skip(self.skip, tab.painter, decided, **QUIET)
        placed = [screen.study_id, tab.painter]
        tab.painter.next(self.next, placed, tab.outputs, **QUIET)
        tab.painter.previous(self.previous, placed, tab.outputs, **QUIET)
        tab.go_train.click(self.go_train, None, screen.tabs, **QUIET)
        seeds = [screen.study_id, screen.results.seeds]
        tab.compare.click(self.compare, seeds, screen.outputs, **QUIET)

    def select(self, study_id: str, event: gr.EventData) -> Shown:
        """Open the film that was clicked."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return outliers_tab.show_film(self.screen.outliers, study, str(event.sample))

    def turn(self, study_id: str, event: gr.EventData) -> Shown:
        """Show another page of the queue."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return outliers_tab.show_page(self.screen.outliers, study, int(event.page))

    def next(self, study_id: str, payload: Any) -> Shown:
        """Open the next film."""
        return self._move(study_id, payload, 1)

    def previous(self, study_id: str, payload: Any) -> Shown:
        """Open the film before."""
        return self._move(study_id, payload, -1)

    def black_out(self, payload: Any) -> Shown:
        """Keep the mask, and open the next film that is not reviewed."""
        with errors_shown():
            painted = decode_painted(payload)
            if painted is None:
                return {}
            # The study of the mask, not of the page: another tab may have opened another study.
            study = self.screen.studies.open(painted.study_id)
            study.submit_mask(
                painted.sample_id, painted.irrelevant, reader=READER, seconds=painted.seconds
            )
            return self._go_on(study, painted.sample_id, Accepted(painted.sample_id, painted.rev))

    def skip(self, payload: Any) -> Shown:
        """Pass over the film, and open the next one that is not reviewed."""
        with errors_shown():
            painted = decode_painted(payload)
            if painted is None:
                return {}
            study = self.screen.studies.open(painted.study_id)
            study.skip(painted.sample_id)
            return self._go_on(study, painted.sample_id, None)

    def compare(self, study_id: str, seeds: str) -> Shown:
        """Train on with and without masks."""
        with errors_shown():
            return screens.compare(self.screen, self.screen.studies.open(study_id), seeds)

    def go_train(self) -> gr.Tabs:
        """Go to the Train tab."""
        return gr.Tabs(selected="train")

    def _move(self, study_id: str, payload: Any, step: int) -> Shown:
        with errors_shown():
            study, painted = self.screen.studies.open(study_id), decode_painted(payload)
            current = None if painted is None else painted.sample_id
            queue = outliers_tab.queue_of(study)
            following = outliers_tab.step_from(queue, current, step)
            return {} if following is None else self._film(study, following, before=current)

    def _go_on(self, study: Study, sample_id: str, accepted: Accepted | None) -> Shown:
        queue = outliers_tab.queue_of(study)
        following = outliers_tab.next_to_review(study, queue, after=sample_id) or sample_id
        return {
            **self._film(study, following, before=sample_id, accepted=accepted),
            **results_tab.show_missing(self.screen.results, study),
        }

    def _film(
        self, study: Study, sample_id: str, *, before: str | None, accepted: Accepted | None = None
    ) -> Shown:
        """Open a film, and its page of the queue if the film before was on another."""
        ids = [outlier.sample_id for outlier in outliers_tab.queue_of(study)]
        pages = [page_of(ids.index(i)) if i in ids else None for i in (before, sample_id)]
        return outliers_tab.show_film(
            self.screen.outliers, study, sample_id, accepted=accepted, page=pages[0] != pages[1]
        )
