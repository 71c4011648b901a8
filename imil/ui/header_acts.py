"""What the header leads to: another study of this browser's list, or a new one."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from imil.errors import StoreError
from imil.ui.errors import error_in_place, errors_shown
from imil.ui.header import gone_studies
from imil.ui.screen import Screen, show_all
from imil.ui.shown import QUIET, Shown


@dataclass(frozen=True, slots=True, eq=False)
class HeaderActs:
    """Callbacks of the header. A study is opened by its id alone, which nobody can guess."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to the header's events."""
        screen, top = self.screen, self.screen.header
        top.choose(self.choose, None, screen.outputs, **QUIET)
        top.begin(self.begin, None, screen.tabs, **QUIET)
        top.check(self.check, None, top, queue=False, **QUIET)

    def choose(self, event: gr.EventData) -> Shown:
        """Open another study of the list; one that is gone is taken off it, and this is said."""
        study_id = str(event.study)
        with errors_shown():
            if not self.screen.studies.knows(study_id):
                return self._gone(study_id)
            return show_all(self.screen, self.screen.studies.open(study_id))

    def begin(self) -> gr.Tabs:
        """Go to where a study is begun."""
        return gr.Tabs(selected="train")

    def check(self, event: gr.EventData) -> Shown:
        """Say which studies of the browser's list are gone."""
        with errors_shown():
            listed = [str(study_id) for study_id in event.studies]
            gone = [each for each in listed if not self.screen.studies.knows(each)]
        return {self.screen.header: gone_studies(gone)}

    def _gone(self, study_id: str) -> Shown:
        try:
            self.screen.studies.open(study_id)
        except StoreError as error:
            return {
                self.screen.header: gone_studies([study_id]),
                self.screen.tabs: gr.Tabs(selected="train"),
                self.screen.train.trouble: error_in_place(error),
            }
        raise ValueError("a study that is not known was opened")
