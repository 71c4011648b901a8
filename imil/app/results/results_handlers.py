"""What the acts on the Results tab lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app import screen as screens
from imil.app.results import results_tab
from imil.app.results.arms_form import arms_preset, show_arms
from imil.app.results.audit_card import audit_card
from imil.app.results.downloads import download_value, export_file
from imil.app.results.final_question import (
    TO_BUTTON,
    TO_QUESTION,
    hide_final_question,
    show_final_question,
)
from imil.app.results.image_viewer import large_picture, viewer_page
from imil.app.screen import Screen
from imil.app.server.errors import error_in_place
from imil.app.server.input_checks import event_value
from imil.app.server.rates import Cost, costs
from imil.app.server.updates import QUIET_EVENT, Updates
from imil.core.bounds import check_text, is_whole, quoted
from imil.core.review.readers import reader_name
from imil.errors import ImilError, PlanError


@dataclass(frozen=True, slots=True, eq=False)
class ResultsHandlers:
    """Callbacks of the Results tab."""

    screen: Screen

    def wire(self, opened: gr.Tab) -> None:
        """Attach the callbacks to their components; `opened` is the tab that they stand on."""
        screen, tab = self.screen, self.screen.results
        form = tab.arms
        asked = [screen.study_id, *form.chosen]
        by, followed = [screen.study_id, screen.reader], [*tab.outputs, screen.timer]
        tab.more.click(self.more, by, followed, **QUIET_EVENT)
        for field in (form.preset, form.shares, form.fill, form.mode, form.penalty):
            field.input(self.choose, asked, form.outputs, **QUIET_EVENT)
        form.arms.input(self.choose_arms, asked, form.outputs, **QUIET_EVENT)
        # What the review has made possible meanwhile, such as confirmed predictions.
        opened.select(self.look_again, [*asked, tab.seen], followed, **QUIET_EVENT)
        tab.stop.click(self.stop, by, tab.outputs, queue=False, **QUIET_EVENT)
        question = tab.question
        asks = tab.final.click(self.ask_final, screen.study_id, question.outputs, **QUIET_EVENT)
        asks.then(None, None, None, js=TO_QUESTION, api_visibility="private")
        question.open_it.click(self.final, by, followed, **QUIET_EVENT)
        refused = question.not_yet.click(self.not_yet, None, question.outputs, **QUIET_EVENT)
        refused.then(None, None, None, js=TO_BUTTON, api_visibility="private")
        tab.following.click(self.next_round, None, screen.tabs, **QUIET_EVENT)
        for counts in (tab.cases, tab.verdict):
            counts.select(self.open, screen.study_id, tab.viewer, **QUIET_EVENT)
        tab.viewer.turn(self.turn, screen.study_id, tab.viewer, **QUIET_EVENT)
        # "multiple": quick presses must not show another image than the last one.
        tab.viewer.look(
            self.look, screen.study_id, tab.viewer, trigger_mode="multiple", **QUIET_EVENT
        )
        shown = [tab.readers, tab.handout, tab.trouble]
        tab.readers.select(self.readers, by, shown, **QUIET_EVENT)
        tab.report.click(self.report, screen.study_id, tab.handout, **QUIET_EVENT)
        tab.downloads.select(self.download, by, shown, **QUIET_EVENT)
        trail = [tab.audit, *shown]
        tab.audit.select(self.trail, by, trail, **QUIET_EVENT)

    @costs(Cost.TRAIN)
    def more(self, study_id: str, reader: str) -> Updates:
        """Train more seeds of the same comparison, while what is known stays in sight."""
        study = self.screen.studies.open(study_id)
        try:
            study.comparison.more_seeds(results_tab.seeds_wanted(study), who=reader_name(reader))
        except ImilError as error:
            return {self.screen.results.trouble: error_in_place(error)}
        return {
            self.screen.timer: gr.Timer(active=True),
            **results_tab.show_results(self.screen.results, study),
        }

    def choose_arms(self, study_id: str, *chosen: Any) -> Updates:
        """Name the preset that the chosen arms are, if any, in place of the one they came from."""
        _, arms, *others = chosen
        return self.choose(study_id, arms_preset(arms), arms, *others)

    def choose(self, study_id: str, *chosen: Any) -> Updates:
        """Show which arms are compared, and what that takes."""
        if not study_id:  # the page is still opening its study
            return {self.screen.results.arms.cost: ""}
        study = self.screen.studies.open(study_id)
        return show_arms(self.screen.results.arms, study, chosen)

    def look_again(self, study_id: str, *chosen: Any) -> Updates:
        """Show what the review has changed since: arms, masks, and what to do next."""
        *form, seen = chosen
        shown = self.choose(study_id, *form)
        if study_id:
            study = self.screen.studies.open(study_id)
            shown |= results_tab.show_review_changes(self.screen.results, study, seen)
            if screens.busy(study):
                # Never off here: what ends meanwhile is shown ended by the next tick.
                shown[self.screen.timer] = gr.Timer(active=True)
        return shown

    def stop(self, study_id: str, reader: str) -> Updates:
        """Stop the comparison within one batch."""
        self.screen.studies.open(study_id).stop(who=reader_name(reader))
        return results_tab.show_comparison_stopping(self.screen.results)

    def ask_final(self, study_id: str) -> Updates:
        """Ask whether to open the test set; nothing is opened yet."""
        study = self.screen.studies.open(study_id)
        return show_final_question(self.screen.results.question, study)

    def not_yet(self) -> Updates:
        """Take the question away."""
        return hide_final_question(self.screen.results.question)

    @costs(Cost.TRAIN)
    def final(self, study_id: str, reader: str) -> Updates:
        """Open the test set, as was answered; the second half of a double click opens nothing."""
        tab = self.screen.results
        study = self.screen.studies.open(study_id)
        try:
            if study.results.final() is None:
                study.comparison.open_test_set(who=reader_name(reader))
        except ImilError as error:
            return {tab.trouble: error_in_place(error), **hide_final_question(tab.question)}
        # Where the models look on test images is being made from now on.
        timer = {self.screen.timer: gr.Timer(active=True)}
        return {**results_tab.show_results(tab, study), **timer}

    def next_round(self) -> gr.Tabs:
        """Go to the outliers, to mask more."""
        return gr.Tabs(selected="outliers")

    def open(self, study_id: str, event: gr.EventData) -> Any:
        """Open the images behind a count."""
        study = self.screen.studies.open(study_id)
        return gr.update(value=viewer_page(study, _ask(event), 0), large=None)

    def turn(self, study_id: str, event: gr.EventData) -> Any:
        """Show another page of the images behind a count."""
        study = self.screen.studies.open(study_id)
        return gr.update(
            value=viewer_page(study, _ask(event), event_value(event, "page", int)), large=None
        )

    def look(self, study_id: str, event: gr.EventData) -> Any:
        """Show one image large."""
        study = self.screen.studies.open(study_id)
        return gr.update(large=large_picture(study, event_value(event, "sample", str)))

    @costs(Cost.EXPORT)
    def report(self, study_id: str) -> dict[str, str]:
        """Hand out the report."""
        return download_value(export_file(self.screen.studies.open(study_id), "report"))

    def readers(self, study_id: str, reader: str, event: gr.EventData) -> Updates:
        """Show readers each other's masks, or hand out how far they agree on each image."""
        tab = self.screen.results
        study = self.screen.studies.open(study_id)
        if _ask(event).get("act") != "unblind":
            return {tab.handout: download_value(export_file(study, "agreement"))}
        try:
            study.readers.unblind(who=reader_name(reader))
        except ImilError as error:
            return {tab.trouble: error_in_place(error)}
        return {tab.trouble: "", **results_tab.show_readers(tab, study)}

    @costs(Cost.EXPORT)
    def trail(self, study_id: str, reader: str, event: gr.EventData) -> Updates:
        """Check the log, alone or with the data set's copy, or hand out a file of the trail."""
        act = _ask(event).get("act")
        if act not in {"compare", "check"}:
            return self.download(study_id, reader, event)
        study = self.screen.studies.open(study_id)
        if act == "compare":
            study.audit.compare_published()
        return {self.screen.results.audit: audit_card(study, opened=True, whole=True)}

    @costs(Cost.EXPORT)
    def download(self, study_id: str, reader: str, event: gr.EventData) -> Updates:
        """Hand out a file; what a reader must not see yet is said, with the way to see it."""
        tab = self.screen.results
        study, ask = self.screen.studies.open(study_id), _ask(event)
        try:
            made = export_file(
                study, str(ask.get("file")), ask.get("arm"), reader=reader_name(reader)
            )
        except ImilError as error:
            told = results_tab.show_readers(tab, study, reader_name(reader))
            return {tab.trouble: error_in_place(error), **told}
        return {tab.handout: download_value(made)}


def _ask(event: gr.EventData) -> dict[str, Any]:
    """Return what was asked for; PlanError unless it is an object of short values."""
    ask = event_value(event, "ask", dict)
    for name, value in ask.items():
        if isinstance(value, str):
            check_text(name, value)
        elif value is not None and not is_whole(value):
            raise PlanError(
                f"What the page sent as {quoted(name)} is {quoted(value)}.",
                why="The page does not send that by itself.",
                fix="Reload the page, and try again.",
            )
    return ask
