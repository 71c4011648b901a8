"""What the acts on the Results tab lead to."""

from __future__ import annotations

from dataclasses import dataclass

from imil.ui import results_tab
from imil.ui import screen as screens
from imil.ui.errors import errors_shown
from imil.ui.screen import Screen
from imil.ui.shown import QUIET, Shown


@dataclass(frozen=True, slots=True, eq=False)
class ResultsActs:
    """Callbacks of the Results tab."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        screen, tab = self.screen, self.screen.results
        tab.compare.click(self.compare, [screen.study_id, tab.seeds], screen.outputs, **QUIET)
        tab.stop.click(self.stop, screen.study_id, tab.outputs, queue=False, **QUIET)
        tab.final.click(self.final, screen.study_id, tab.outputs, **QUIET)

    def compare(self, study_id: str, seeds: str) -> Shown:
        """Train on with and without masks."""
        with errors_shown():
            return screens.compare(self.screen, self.screen.studies.open(study_id), seeds)

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
