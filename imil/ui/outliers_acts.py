"""What the acts on the Outliers tab lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.compute.pool import JobState
from imil.core.records import Queue, Selection
from imil.ui import outliers_tab, results_tab
from imil.ui import screen as screens
from imil.ui.errors import errors_shown
from imil.ui.filmstrip import page_of
from imil.ui.painter import Accepted, decode_painted
from imil.ui.predicted_panel import show_predicted
from imil.ui.queue_picker import show_folds
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
        shown = [screen.study_id, tab.picker.kind]
        # "multiple": quick clicks must not open another film than the last one clicked.
        tab.strip.select(self.select, shown, tab.outputs, trigger_mode="multiple", **QUIET)
        tab.strip.turn(self.turn, shown, tab.strip, **QUIET)
        decided = [*tab.outputs, screen.results.none]
        painted = [tab.painter, tab.picker.kind]
        tab.painter.blackout(self.black_out, painted, decided, **QUIET)
        tab.painter.skip(self.skip, painted, decided, **QUIET)
        placed = [screen.study_id, tab.painter, tab.picker.kind]
        tab.painter.next(self.next, placed, tab.outputs, **QUIET)
        tab.painter.previous(self.previous, placed, tab.outputs, **QUIET)
        tab.go_train.click(self.go_train, None, screen.tabs, **QUIET)
        asked = [screen.study_id, *screen.results.choice]
        tab.read.compare.click(self.compare, asked, screen.outputs, **QUIET)
        # Wrong reasons take seconds when first asked for: where they appear, that is seen.
        tab.picker.kind.input(
            self.open_queue,
            shown,
            tab.outputs,
            show_progress="minimal",
            show_progress_on=tab.strip,
            api_visibility="private",
        )
        tab.paint_random.click(self.paint_random, screen.study_id, tab.outputs, **QUIET)
        tab.picker.selection.input(
            self.choose_selection,
            [screen.study_id, tab.picker.selection, tab.picker.kind],
            tab.outputs,
            **QUIET,
        )
        folds = [*tab.outputs, screen.timer]
        tab.picker.use_folds.click(self.use_folds, screen.study_id, folds, **QUIET)

    def open_queue(self, study_id: str, kind: str) -> Shown:
        """Show another queue from its first film that is not reviewed."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return outliers_tab.show_outliers(self.screen.outliers, study, Queue(kind))

    def paint_random(self, study_id: str) -> Shown:
        """Offer random images where the queue is empty."""
        return self.open_queue(study_id, Queue.RANDOM.value)

    def choose_selection(self, study_id: str, selection: str, kind: str) -> Shown:
        """Find the mispredicted in another way; what must be trained first is said, not done."""
        tab, wanted = self.screen.outliers, Selection(selection)
        with errors_shown():
            study = self.screen.studies.open(study_id)
            trained = study.out_of_fold_status().state is JobState.DONE
            if wanted is Selection.OUT_OF_FOLD and not trained:
                return show_folds(tab.picker, study, wanted)
            study.select(wanted)
            if Queue(kind) is Queue.MISPREDICTED:
                return outliers_tab.show_outliers(tab, study)
            return outliers_tab.show_counts(tab, study, Queue(kind))

    def use_folds(self, study_id: str) -> Shown:
        """Train the folds, or find the mispredicted by them once they are trained."""
        tab = self.screen.outliers
        with errors_shown():
            study = self.screen.studies.open(study_id)
            if study.out_of_fold_status().state is JobState.DONE:
                study.select(Selection.OUT_OF_FOLD)
                return outliers_tab.show_outliers(tab, study)
            study.start_out_of_fold()
            shown = show_folds(tab.picker, study, Selection.OUT_OF_FOLD)
            return {**shown, self.screen.timer: gr.Timer(active=True)}

    def select(self, study_id: str, kind: str, event: gr.EventData) -> Shown:
        """Open the film that was clicked."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            tab = self.screen.outliers
            return outliers_tab.show_film(tab, study, Queue(kind), str(event.sample))

    def turn(self, study_id: str, kind: str, event: gr.EventData) -> Shown:
        """Show another page of the queue."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            tab = self.screen.outliers
            return outliers_tab.show_page(tab, study, Queue(kind), int(event.page))

    def next(self, study_id: str, payload: Any, kind: str) -> Shown:
        """Open the next film."""
        return self._move(study_id, payload, Queue(kind), 1)

    def previous(self, study_id: str, payload: Any, kind: str) -> Shown:
        """Open the film before."""
        return self._move(study_id, payload, Queue(kind), -1)

    def black_out(self, payload: Any, kind: str) -> Shown:
        """Keep the mask, and open the next film that is not reviewed."""
        with errors_shown():
            painted = decode_painted(payload)
            if painted is None:
                return {}
            # The study of the mask, not of the page: another tab may have opened another study.
            study = self.screen.studies.open(painted.study_id)
            study.submit_mask(
                painted.sample_id,
                painted.irrelevant,
                reader=READER,
                seconds=painted.seconds,
                queue=Queue(kind),
                origin=painted.origin,
            )
            accepted = Accepted(painted.sample_id, painted.rev)
            return {
                **self._go_on(study, Queue(kind), painted.sample_id, accepted),
                **show_predicted(self.screen.outliers.predicted, study),
            }

    def skip(self, payload: Any, kind: str) -> Shown:
        """Pass over the film, and open the next one that is not reviewed."""
        with errors_shown():
            painted = decode_painted(payload)
            if painted is None:
                return {}
            study = self.screen.studies.open(painted.study_id)
            study.skip(painted.sample_id)
            return self._go_on(study, Queue(kind), painted.sample_id, None)

    def compare(self, study_id: str, seeds: str, *chosen: Any) -> Shown:
        """Train on with and without masks."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return screens.compare(self.screen, study, seeds, chosen)

    def go_train(self) -> gr.Tabs:
        """Go to the Train tab."""
        return gr.Tabs(selected="train")

    def _move(self, study_id: str, payload: Any, kind: Queue, step: int) -> Shown:
        with errors_shown():
            study, painted = self.screen.studies.open(study_id), decode_painted(payload)
            current = None if painted is None else painted.sample_id
            queue = outliers_tab.queue_of(study, kind)
            following = outliers_tab.step_from(queue, current, step)
            return {} if following is None else self._film(study, kind, following, before=current)

    def _go_on(self, study: Study, kind: Queue, sample_id: str, accepted: Accepted | None) -> Shown:
        queue = outliers_tab.queue_of(study, kind)
        following = outliers_tab.next_to_review(study, queue, kind, after=sample_id) or sample_id
        return {
            **self._film(study, kind, following, before=sample_id, accepted=accepted),
            **results_tab.show_missing(self.screen.results, study),
        }

    def _film(
        self,
        study: Study,
        kind: Queue,
        sample_id: str,
        *,
        before: str | None,
        accepted: Accepted | None = None,
    ) -> Shown:
        """Open a film, and its page of the queue if the film before was on another."""
        ids = [offer.sample_id for offer in outliers_tab.queue_of(study, kind)]
        pages = [page_of(ids.index(i)) if i in ids else None for i in (before, sample_id)]
        return outliers_tab.show_film(
            self.screen.outliers,
            study,
            kind,
            sample_id,
            accepted=accepted,
            page=pages[0] != pages[1],
        )
