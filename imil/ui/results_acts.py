"""What the acts on the Results tab lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.errors import ImilError
from imil.ui import results_tab
from imil.ui import screen as screens
from imil.ui.arms_form import preset_of, show_choice
from imil.ui.errors import error_in_place, errors_shown
from imil.ui.handout import export, handed_out
from imil.ui.results_tab import SEEDS
from imil.ui.screen import Screen
from imil.ui.shown import QUIET, Shown
from imil.ui.viewer import large_picture, viewer_page


@dataclass(frozen=True, slots=True, eq=False)
class ResultsActs:
    """Callbacks of the Results tab."""

    screen: Screen

    def wire(self, opened: gr.Tab) -> None:
        """Attach the callbacks to their components; `opened` is the tab that they stand on."""
        screen, tab = self.screen, self.screen.results
        asked, form = [screen.study_id, *tab.choice], tab.arms
        tab.compare.click(self.compare, asked, screen.outputs, **QUIET)
        tab.more.click(self.more, screen.study_id, screen.outputs, **QUIET)
        for field in (tab.seeds, form.preset, form.shares, form.fill, form.mode, form.penalty):
            field.input(self.choose, asked, form.outputs, **QUIET)
        form.arms.input(self.choose_arms, asked, form.outputs, **QUIET)
        # What the review has made possible meanwhile, such as confirmed predictions.
        opened.select(self.look_again, [*asked, tab.seen], tab.outputs, **QUIET)
        tab.stop.click(self.stop, screen.study_id, tab.outputs, queue=False, **QUIET)
        tab.final.click(self.final, screen.study_id, tab.outputs, **QUIET)
        tab.following.click(self.next_round, None, screen.tabs, **QUIET)
        tab.cases.select(self.open, screen.study_id, tab.viewer, **QUIET)
        tab.viewer.turn(self.turn, screen.study_id, tab.viewer, **QUIET)
        # "multiple": quick presses must not show another image than the last one.
        tab.viewer.look(self.look, screen.study_id, tab.viewer, trigger_mode="multiple", **QUIET)
        tab.report.click(self.report, screen.study_id, tab.handout, **QUIET)
        tab.downloads.select(self.download, screen.study_id, tab.handout, **QUIET)

    def compare(self, study_id: str, seeds: str, *chosen: Any) -> Shown:
        """Train on with and without masks; what can't be compared is said where it was asked."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            try:
                return screens.compare(self.screen, study, seeds, chosen)
            except ImilError as error:
                return {self.screen.results.trouble: error_in_place(error)}

    def more(self, study_id: str) -> Shown:
        """Train more seeds of the same comparison, while what is known stays in sight."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            try:
                study.more_seeds(results_tab.seeds_wanted(study))
            except ImilError as error:
                return {self.screen.results.trouble: error_in_place(error)}
            return {
                self.screen.timer: gr.Timer(active=True),
                **results_tab.show_results(self.screen.results, study),
            }

    def choose_arms(self, study_id: str, seeds: str, *chosen: Any) -> Shown:
        """Name the preset that the chosen arms are, if any, in place of the one they came from."""
        _, arms, *others = chosen
        return self.choose(study_id, seeds, preset_of(arms), arms, *others)

    def choose(self, study_id: str, seeds: str, *chosen: Any) -> Shown:
        """Show which arms are compared, and what that takes."""
        if not study_id:  # the page is still opening its study
            return {self.screen.results.arms.cost: ""}
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return show_choice(self.screen.results.arms, study, SEEDS.get(seeds, 1), chosen)

    def look_again(self, study_id: str, seeds: str, *chosen: Any) -> Shown:
        """Show what the review has changed since: arms, masks, and what to do next."""
        *form, seen = chosen
        shown = self.choose(study_id, seeds, *form)
        if study_id:
            with errors_shown():
                study = self.screen.studies.open(study_id)
                shown |= results_tab.show_reviewed(self.screen.results, study, seen)
        return shown

    def stop(self, study_id: str) -> Shown:
        """Stop the comparison within one batch."""
        with errors_shown():
            self.screen.studies.open(study_id).stop()
        return results_tab.show_stopping(self.screen.results)

    def final(self, study_id: str) -> Shown:
        """Open the test set; the second half of a double click doesn't open it again."""
        tab = self.screen.results
        with errors_shown():
            study = self.screen.studies.open(study_id)
            try:
                if study.final_results() is None:
                    study.final_comparison()
            except ImilError as error:
                return {tab.trouble: error_in_place(error)}
            return results_tab.show_results(tab, study)

    def next_round(self) -> gr.Tabs:
        """Go to the outliers, to mask more."""
        return gr.Tabs(selected="outliers")

    def open(self, study_id: str, event: gr.EventData) -> Any:
        """Open the images behind a count."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return gr.update(value=viewer_page(study, event.ask, 0), large=None)

    def turn(self, study_id: str, event: gr.EventData) -> Any:
        """Show another page of the images behind a count."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return gr.update(value=viewer_page(study, event.ask, int(event.page)), large=None)

    def look(self, study_id: str, event: gr.EventData) -> Any:
        """Show one image large."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return gr.update(large=large_picture(study, str(event.sample)))

    def report(self, study_id: str) -> dict[str, str]:
        """Hand out the report."""
        with errors_shown():
            return handed_out(export(self.screen.studies.open(study_id), "report"))

    def download(self, study_id: str, event: gr.EventData) -> dict[str, str]:
        """Hand out a file."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            return handed_out(export(study, str(event.ask.get("file")), event.ask.get("arm")))
