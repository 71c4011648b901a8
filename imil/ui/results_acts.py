"""What the acts on the Results tab lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.errors import MaskError, PlanError
from imil.ui import results_tab
from imil.ui import screen as screens
from imil.ui.arms_form import preset_of, show_choice
from imil.ui.errors import error_in_place, errors_shown
from imil.ui.results_tab import SEEDS
from imil.ui.screen import Screen
from imil.ui.shown import QUIET, Shown


@dataclass(frozen=True, slots=True, eq=False)
class ResultsActs:
    """Callbacks of the Results tab."""

    screen: Screen

    def wire(self, opened: gr.Tab) -> None:
        """Attach the callbacks to their components; `opened` is the tab that they stand on."""
        screen, tab = self.screen, self.screen.results
        asked, form = [screen.study_id, *tab.choice], tab.arms
        tab.compare.click(self.compare, asked, screen.outputs, **QUIET)
        for field in (tab.seeds, form.preset, form.shares, form.fill, form.mode, form.penalty):
            field.input(self.choose, asked, form.outputs, **QUIET)
        form.arms.input(self.choose_arms, asked, form.outputs, **QUIET)
        # What the review has made possible meanwhile, such as confirmed predictions.
        opened.select(self.choose, asked, form.outputs, **QUIET)
        tab.stop.click(self.stop, screen.study_id, tab.outputs, queue=False, **QUIET)
        tab.final.click(self.final, screen.study_id, tab.outputs, **QUIET)

    def compare(self, study_id: str, seeds: str, *chosen: Any) -> Shown:
        """Train on with and without masks; what can't be compared is said where it was asked."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            try:
                return screens.compare(self.screen, study, seeds, chosen)
            except (PlanError, MaskError) as error:
                return {self.screen.results.trouble: error_in_place(error)}

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

    def stop(self, study_id: str) -> Shown:
        """Stop the comparison within one batch."""
        with errors_shown():
            self.screen.studies.open(study_id).stop()
        return results_tab.show_stopping(self.screen.results)

    def final(self, study_id: str) -> Shown:
        """Open the test set; the second half of a double click doesn't open it again."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            if study.final_results() is None:
                study.final_comparison()
            return results_tab.show_results(self.screen.results, study)
