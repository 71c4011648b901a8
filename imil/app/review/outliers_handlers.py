"""What the acts on the Outliers tab lead to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from imil.app.painter.painter import Accepted, decode_painted, kept_value
from imil.app.painter.reader_field import kept_name
from imil.app.predicted.predicted_sheet import show_making
from imil.app.results import results_tab
from imil.app.review import outliers_tab
from imil.app.review.filmstrip import page_of
from imil.app.review.mask_submission import refuse_mask, store_mask
from imil.app.review.queue_picker import read_view, show_folds
from imil.app.review.queue_view import is_being_made, next_after, queue_of, step_from
from imil.app.screen import Screen
from imil.app.server.input_checks import choice, event_value
from imil.app.server.rates import Cost, costs
from imil.app.server.updates import QUIET_EVENT, REVIEW_EVENT, Updates, unchanged
from imil.core.records import Queue, Selection
from imil.core.review.readers import reader_name
from imil.errors import ImilError, PlanError
from imil.jobs.base import JobState
from imil.study.review.queueing import Offer
from imil.study.review.viewing import View
from imil.study.study import Study


@dataclass(frozen=True, slots=True, eq=False)
class OutliersHandlers:
    """Callbacks of the Outliers tab."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        screen, tab = self.screen, self.screen.outliers
        shown = [screen.study_id, *tab.picker.view]
        # "multiple": quick clicks must not open another film than the last one clicked.
        tab.strip.select(self.select, shown, tab.film, trigger_mode="multiple", **REVIEW_EVENT)
        tab.strip.turn(self.turn, shown, tab.strip, **REVIEW_EVENT)
        decided = [*tab.outputs, *screen.results.missing]
        painted = [tab.painter, *tab.picker.view]
        sheet = screen.results.sheet
        masked = [*painted, sheet.correcting]
        back = [*decided, screen.tabs, *sheet.outputs]
        tab.painter.blackout(self.black_out, masked, back, **REVIEW_EVENT)
        waited = [tab.opened, *tab.picker.view]
        tab.painter.keep(self.keep, waited, tab.film, trigger_mode="multiple", **REVIEW_EVENT)
        tab.painter.skip(self.skip, painted, decided, **REVIEW_EVENT)
        placed = [screen.study_id, tab.painter, *tab.picker.view]
        tab.painter.next(self.next, placed, tab.film, **REVIEW_EVENT)
        tab.painter.previous(self.previous, placed, tab.film, **REVIEW_EVENT)
        tab.go_train.click(self.go_train, None, screen.tabs, **QUIET_EVENT)
        # "always_last": the chip chosen last is the one that is shown.
        last = QUIET_EVENT | {"trigger_mode": "always_last"}
        tab.picker.kind.input(self.open_queue, shown, tab.outputs, **last)
        # "multiple": each order or cell that is chosen comes with its event, and none is dropped.
        looked = [screen.study_id, tab.painter, tab.picker.kind]
        tab.picker.filters.look(
            self.look, looked, tab.outputs, trigger_mode="multiple", **QUIET_EVENT
        )
        tab.again.tick(self.look_again, placed, tab.outputs, **QUIET_EVENT)
        tab.show_whole.click(self.show_whole, placed, tab.outputs, **QUIET_EVENT)
        tab.paint_random.click(self.paint_random, shown, tab.outputs, **QUIET_EVENT)
        read = [screen.study_id, tab.painter, tab.picker.reader, *tab.picker.view]
        for given in (tab.picker.reader.submit, tab.picker.reader.blur):
            given(self.name_reader, read, [*tab.outputs, screen.reader], **last)
        tab.picker.selection.input(
            self.choose_selection,
            [screen.study_id, tab.picker.selection, *tab.picker.view],
            tab.outputs,
            **QUIET_EVENT,
        )
        folds = [*tab.outputs, screen.timer]
        tab.picker.use_folds.click(self.use_folds, shown, folds, **QUIET_EVENT)

    def open_queue(self, study_id: str, kind: str, chosen: Any) -> Updates:
        """Show another queue from its first film that is not reviewed."""
        study = self.screen.studies.open(study_id)
        # A cell stands in place of a queue, so another queue is the way out of it.
        view = replace(read_view(study, kind, chosen), cell=None)
        return outliers_tab.show_outliers(self.screen.outliers, study, view)

    def look(self, study_id: str, payload: Any, kind: str, event: gr.EventData) -> Updates:
        """Show the queue in another order, or a part of it; the film that is open may stay."""
        study = self.screen.studies.open(study_id)
        view, keep = read_view(study, kind, event_value(event, "chosen", dict)), _film(payload)
        return outliers_tab.show_outliers(self.screen.outliers, study, view, keep=keep)

    def show_whole(self, study_id: str, payload: Any, kind: str, chosen: Any) -> Updates:
        """Show the whole queue again."""
        study = self.screen.studies.open(study_id)
        view, keep = read_view(study, kind, chosen).whole, _film(payload)
        return outliers_tab.show_outliers(self.screen.outliers, study, view, keep=keep)

    def look_again(self, study_id: str, payload: Any, kind: str, chosen: Any) -> Updates:
        """Show a queue that was being made, once it is there; a film that is open stays."""
        tab = self.screen.outliers
        study, current = self.screen.studies.open(study_id), _film(payload)
        view = read_view(study, kind, chosen)
        if is_being_made(study, view):
            return unchanged()
        if current is not None:
            return outliers_tab.show_list(tab, study, view, current)
        return outliers_tab.show_outliers(tab, study, view)

    def paint_random(self, study_id: str, _kind: str, chosen: Any) -> Updates:
        """Offer random images where the queue is empty."""
        return self.open_queue(study_id, Queue.RANDOM.value, chosen)

    def name_reader(
        self, study_id: str, payload: Any, name: str, kind: str, chosen: Any
    ) -> Updates:
        """Show the queue as another reader sees it: with their own masks, the same film open."""
        screen, reader = self.screen, reader_name(name)
        study = screen.studies.open(study_id)
        view = read_view(study, kind, chosen)
        if view.reader == reader:
            return unchanged()
        view, keep = replace(view, reader=reader), _film(payload)
        shown = outliers_tab.show_outliers(screen.outliers, study, view, keep=keep)
        return {**shown, screen.reader: kept_name(reader)}

    def choose_selection(self, study_id: str, selection: str, kind: str, chosen: Any) -> Updates:
        """Find the mispredicted in another way; what must be trained first is said, not done."""
        tab = self.screen.outliers
        wanted = choice(Selection, selection)
        study = self.screen.studies.open(study_id)
        view = read_view(study, kind, chosen)
        trained = study.training.out_of_fold_status().state is JobState.DONE
        if wanted is Selection.OUT_OF_FOLD and not trained:
            return show_folds(tab.picker, study, wanted)
        study.queues.select(wanted, who=view.reader)
        if view.opened_from is Queue.MISPREDICTED:
            return outliers_tab.show_outliers(tab, study, view)
        return outliers_tab.show_counts(tab, study, view)

    @costs(Cost.TRAIN)
    def use_folds(self, study_id: str, kind: str, chosen: Any) -> Updates:
        """Train the folds, or find the mispredicted by them once they are trained."""
        tab = self.screen.outliers
        study = self.screen.studies.open(study_id)
        reader = read_view(study, kind, chosen).reader
        if study.training.out_of_fold_status().state is JobState.DONE:
            study.queues.select(Selection.OUT_OF_FOLD, who=reader)
            return outliers_tab.show_outliers(tab, study, replace(View(), reader=reader))
        study.training.start_out_of_fold(who=reader)
        shown = show_folds(tab.picker, study, Selection.OUT_OF_FOLD)
        return {**shown, self.screen.timer: gr.Timer(active=True)}

    def select(self, study_id: str, kind: str, chosen: Any, event: gr.EventData) -> Updates:
        """Open the film that was clicked."""
        study = self.screen.studies.open(study_id)
        tab = self.screen.outliers
        view = read_view(study, kind, chosen)
        return outliers_tab.show_image(tab, study, view, event_value(event, "sample", str))

    def turn(self, study_id: str, kind: str, chosen: Any, event: gr.EventData) -> Updates:
        """Show another page of the queue."""
        study = self.screen.studies.open(study_id)
        tab = self.screen.outliers
        view = read_view(study, kind, chosen)
        return outliers_tab.show_page(tab, study, view, event_value(event, "page", int))

    def next(self, study_id: str, payload: Any, kind: str, chosen: Any) -> Updates:
        """Open the next film."""
        return self._move(study_id, payload, (kind, chosen), 1)

    def previous(self, study_id: str, payload: Any, kind: str, chosen: Any) -> Updates:
        """Open the film before."""
        return self._move(study_id, payload, (kind, chosen), -1)

    def black_out(
        self, payload: Any, kind: str, chosen: Any, correcting: tuple[str, str] = ("", "")
    ) -> Updates:
        """Keep the mask, and open the next film that is not reviewed.

        Whoever corrected one of the predicted masks goes back to these.
        """
        painted = decode_painted(payload)
        if painted is None:
            return unchanged()
        studies, tab = self.screen.studies, self.screen.outliers
        try:
            # The study of the mask, not of the page: another tab may have opened another one.
            study = studies.open(painted.study_id)
            view = _view_of(study, kind, chosen)
            before = queue_of(study, view)
            store_mask(study, painted, opened_from=view.opened_from)
        except ImilError as error:
            return {tab.painter: gr.update(refused=refuse_mask(studies, painted, error))}
        name = study.review.mask_name(painted.sample_id, painted.reader)
        accepted = Accepted(painted.sample_id, painted.rev, name, painted.reader)
        shown = self._go_on(study, view, before, painted.sample_id, accepted)
        if correcting != (painted.study_id, painted.sample_id):
            return shown
        back = show_making(self.screen.results.sheet, study)
        return {**shown, **back, self.screen.tabs: gr.Tabs(selected="results")}

    def keep(self, opened: tuple[str, str], kind: str, chosen: Any, event: gr.EventData) -> Updates:
        """Keep a mask that had waited for the connection; the film that is open stays open."""
        painted = decode_painted(event_value(event, "painted", dict))
        if painted is None:
            return unchanged()
        studies, tab = self.screen.studies, self.screen.outliers
        try:
            study = studies.open(painted.study_id)
            view = _view_of(study, kind, chosen)
            store_mask(study, painted, opened_from=view.opened_from)
        except ImilError as error:
            return {tab.painter: gr.update(refused=refuse_mask(studies, painted, error))}
        kept = kept_value(painted, base=study.review.mask_name(painted.sample_id, painted.reader))
        shown: Updates = {tab.painter: gr.update(kept=kept)}
        if opened[0] == study.study_id:
            kept_of = [painted.sample_id]
            shown |= outliers_tab.show_reviewed(tab, study, view, opened[1], others=kept_of)
        return shown

    def skip(self, payload: Any, kind: str, chosen: Any) -> Updates:
        """Pass over the film, and open the next one that is not reviewed."""
        painted = decode_painted(payload)
        if painted is None:
            return unchanged()
        study = self.screen.studies.open(painted.study_id)
        view = _view_of(study, kind, chosen)
        before = queue_of(study, view)
        study.review.skip(painted.sample_id, reader=painted.reader)
        return self._go_on(study, view, before, painted.sample_id, None)

    def go_train(self) -> gr.Tabs:
        """Go to the Train tab."""
        return gr.Tabs(selected="train")

    def _move(self, study_id: str, payload: Any, looked: tuple[str, Any], step: int) -> Updates:
        study = self.screen.studies.open(study_id)
        view, current = read_view(study, *looked), _film(payload)
        queue = queue_of(study, view)
        places = study.queues.places(queue)
        following = step_from(queue, places.get(current or ""), step)
        if following is None:
            return unchanged()
        page = _page(study, queue, current) != _page(study, queue, following)
        return outliers_tab.show_image(self.screen.outliers, study, view, following, page=page)

    def _go_on(
        self,
        study: Study,
        view: View,
        before: tuple[Offer, ...],
        sample_id: str,
        accepted: Accepted | None,
    ) -> Updates:
        """Open the film that follows in the order in which this one was seen."""
        tab, now = self.screen.outliers, queue_of(study, view)
        missing = results_tab.show_missing(self.screen.results, study)
        following = next_after(study, before, view, sample_id)
        if following is None:
            return {**outliers_tab.show_outliers(tab, study, view), **missing}
        page = _page(study, before, sample_id) != _page(study, now, following)
        film = outliers_tab.show_image(tab, study, view, following, accepted=accepted, page=page)
        return {**film, **missing}


def _film(payload: Any) -> str | None:
    """Return the film that is open; one that still loads has painted nothing, and counts."""
    sample_id = payload.get("sample") if isinstance(payload, dict) else None
    return sample_id if isinstance(sample_id, str) else None


def _page(study: Study, queue: tuple[Offer, ...], sample_id: str | None) -> int | None:
    place = study.queues.places(queue).get(sample_id or "")
    return None if place is None else page_of(place)


def _view_of(study: Study, kind: Any, chosen: Any) -> View:
    """Return how a film was looked at; the study's first view where that is no view of this study.

    Its page may show another study by now: that is no reason to refuse what was painted.
    """
    try:
        return read_view(study, kind, chosen)
    except PlanError:
        return View()
