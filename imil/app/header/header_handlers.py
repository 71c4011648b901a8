"""What the header leads to: another study of this browser's list, or a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.header.header import gone_studies, saved_value
from imil.app.screen import Screen, show_all
from imil.app.server.errors import error_in_place
from imil.app.server.input_checks import event_value
from imil.app.server.updates import QUIET_EVENT, Updates, unchanged
from imil.core.bounds import MOST_AT_ONCE
from imil.errors import StoreError

# Seconds between two looks at how far a study has got to the Hub, which takes it every 30 s.
LOOK_EVERY = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class HeaderHandlers:
    """Callbacks of the header. A study is opened by its id alone, which nobody can guess."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to the header's events."""
        screen, top = self.screen, self.screen.header
        top.choose(self.choose, screen.reader, screen.outputs, **QUIET_EVENT)
        top.begin(self.begin, None, screen.tabs, **QUIET_EVENT)
        top.check(self.check, None, top, queue=False, **QUIET_EVENT)
        if screen.studies.leave_this_machine:
            # A clock of its own, which changes nothing else.
            clock = gr.Timer(LOOK_EVERY)
            clock.tick(self.saved, screen.study_id, top, queue=False, **QUIET_EVENT)

    def choose(self, reader: str, event: gr.EventData) -> Updates:
        """Open another study of the list; one that is gone is taken off it, and this is said."""
        study_id = event_value(event, "study", str)
        if not self.screen.studies.knows(study_id):
            return self._gone(study_id)
        return show_all(self.screen, self.screen.studies.open(study_id), reader)

    def begin(self) -> gr.Tabs:
        """Go to where a study is begun."""
        return gr.Tabs(selected="train")

    def saved(self, study_id: str) -> Any:
        """Say how far the study has got to the Hub; no study, or one that is gone, says nothing."""
        studies = self.screen.studies
        try:
            known = bool(study_id) and studies.knows(study_id)
            return saved_value(studies.open(study_id)) if known else gr.skip()
        except StoreError:  # whoever opens the study is told; the line above the tabs stays
            return gr.skip()

    def check(self, event: gr.EventData) -> Updates:
        """Say which studies of the browser's list are gone; none while it can't be told."""
        listed = event_value(event, "studies", list)[:MOST_AT_ONCE]
        try:
            known = self.screen.studies.known(listed)
        except StoreError:  # whoever opens one is told
            return unchanged()
        gone = [each for each in listed if each not in known]
        return {self.screen.header: gone_studies(gone)}

    def _gone(self, study_id: str) -> Updates:
        try:
            self.screen.studies.open(study_id)
        except StoreError as error:
            return {
                self.screen.header: gone_studies([study_id]),
                self.screen.tabs: gr.Tabs(selected="train"),
                self.screen.train.trouble: error_in_place(error),
            }
        raise ValueError("a study that is not known was opened")
