"""What comes of a reader's word on a label, on whichever queue the film was opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imil.app.painter.painter import decode_painted
from imil.app.results import results_tab
from imil.app.review import outliers_tab
from imil.app.review.label_buttons import show_label_choice
from imil.app.review.queue_picker import read_view
from imil.app.review.queue_view import next_after, queue_of
from imil.app.review.read_column import show_choices
from imil.app.screen import Screen
from imil.app.server.updates import QUIET_EVENT, Updates, unchanged
from imil.core.records import LabelDecision, Queue
from imil.study.review.viewing import View
from imil.study.study import Study

# Once the choices have appeared or gone: to the first of them, else back to where one paints.
FOCUS = """() => setTimeout(() => (document.querySelector("#relabel")
  ?? document.querySelector("#painter .paint"))?.focus({preventScroll: true}), 80)"""


@dataclass(frozen=True, slots=True, eq=False)
class LabelHandlers:
    """Callbacks of “Label is wrong” and of the choices that it opens."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        tab = self.screen.outliers
        read, labels = tab.read, tab.read.labels
        film = [tab.painter, *tab.picker.view]
        for opens in (tab.painter.suspect, labels.back.click):
            toggled = [read.assists, read.acts, *labels.outputs]
            opens(self.toggle, [*film, labels.opened], toggled, **QUIET_EVENT).then(
                None, None, None, js=FOCUS, api_visibility="private"
            )
        labels.choice.input(show_label_choice, labels.choice, labels.relabel, **QUIET_EVENT)
        decided = [*tab.outputs, *self.screen.results.missing]
        labels.relabel.click(self.relabel, [*film, labels.choice], decided, **QUIET_EVENT)
        labels.exclude.click(self.exclude, film, decided, **QUIET_EVENT)
        labels.keep.click(self.keep, film, decided, **QUIET_EVENT)

    def toggle(self, payload: Any, kind: str, chosen: Any, opened: bool) -> Updates:
        """Show the choices, or the acts on the mask again."""
        painted = decode_painted(payload)
        if painted is None:
            return unchanged()
        study = self.screen.studies.open(painted.study_id)
        view = read_view(study, kind, chosen)
        wanted = not opened or view.opened_from is Queue.LABEL_SUSPECT
        return self._choices(study, view, painted.sample_id, opened=wanted)

    def relabel(self, payload: Any, kind: str, chosen: Any, label: str) -> Updates:
        """Give the film the label that is chosen."""
        return self._decide(payload, (kind, chosen), LabelDecision.RELABEL, label)

    def exclude(self, payload: Any, kind: str, chosen: Any) -> Updates:
        """Leave the film out."""
        return self._decide(payload, (kind, chosen), LabelDecision.EXCLUDE)

    def keep(self, payload: Any, kind: str, chosen: Any) -> Updates:
        """Keep the film's label, or take back what was decided."""
        return self._decide(payload, (kind, chosen), LabelDecision.KEEP)

    def _decide(
        self, payload: Any, looked: tuple[str, Any], decision: LabelDecision, label: str = ""
    ) -> Updates:
        painted = decode_painted(payload)
        if painted is None:
            return unchanged()
        study = self.screen.studies.open(painted.study_id)
        view = read_view(study, *looked)
        sample_id, tab = painted.sample_id, self.screen.outliers
        before = queue_of(study, view)
        if decision is LabelDecision.RELABEL:
            study.labels.relabel(sample_id, str(label), reader=view.reader)
        elif decision is LabelDecision.EXCLUDE:
            study.labels.exclude(sample_id, reader=view.reader)
        else:
            study.labels.keep(sample_id, reader=view.reader)
        if decision is LabelDecision.KEEP and view.opened_from is not Queue.LABEL_SUSPECT:
            # Its label is right, so it goes on being masked: the painter is left alone.
            counts = outliers_tab.show_counts(tab, study, view)
            return {**counts, **self._choices(study, view, sample_id, opened=False)}
        missing = results_tab.show_missing(self.screen.results, study)
        # A film that is relabelled or excluded leaves the queue.
        following = next_after(study, before, view, sample_id)
        return {**outliers_tab.show_outliers(tab, study, view, keep=following), **missing}

    def _choices(self, study: Study, view: View, sample_id: str, *, opened: bool) -> Updates:
        offered = queue_of(study, view)
        place = study.queues.places(offered).get(sample_id)
        offer = None if place is None else offered[place]
        return show_choices(self.screen.outliers.read, study, sample_id, offer, opened=opened)
