"""“Test my masks”, and what the sheet of predicted masks leads to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app import screen as screens
from imil.app.painter.painter import offer
from imil.app.predicted.predicted_sheet import show_sheet
from imil.app.results.arms_form import chosen_arms
from imil.app.results.downloads import export_predictions
from imil.app.review import outliers_tab
from imil.app.review.queue_picker import read_view
from imil.app.screen import Screen
from imil.app.server.errors import error_in_place
from imil.app.server.input_checks import event_value
from imil.app.server.rates import Cost, costs
from imil.app.server.updates import QUIET_EVENT, SLOW_EVENT, Updates, unchanged
from imil.core.review.readers import reader_name
from imil.errors import ImilError


@dataclass(frozen=True, slots=True, eq=False)
class SheetHandlers:
    """Callbacks of the button on two tabs, and of the sheet that it shows."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        screen, tab, outliers = self.screen, self.screen.results, self.screen.outliers
        sheet = tab.sheet
        asked = [screen.study_id, screen.reader, *tab.arms.chosen]
        for button in (outliers.read.compare, tab.compare):
            button.click(self.test_masks, asked, screen.comparison, **QUIET_EVENT)
        shown = [screen.study_id, sheet.page, *tab.arms.chosen]
        tab.arms.look.click(self.look, shown, sheet.outputs, **QUIET_EVENT)
        sheet.others.click(self.others, shown, sheet.outputs, **QUIET_EVENT)
        sheet.again.tick(self.look_again, shown, sheet.outputs, **QUIET_EVENT)
        used = [screen.study_id, screen.reader, sheet.seen, *tab.arms.chosen]
        sheet.use.click(self.use, used, screen.comparison, **QUIET_EVENT)
        sheet.painted.click(self.use_painted, asked, screen.comparison, **QUIET_EVENT)
        opened = [*outliers.film, screen.tabs, sheet.correcting]
        view = [screen.study_id, *outliers.picker.view]
        sheet.body.select(self.correct, view, opened, **QUIET_EVENT)
        made = [sheet.prepare, sheet.download]
        sheet.prepare.click(self.prepare, screen.study_id, made, **SLOW_EVENT)

    @costs(Cost.TRAIN)
    def test_masks(self, study_id: str, reader: str, *chosen: Any) -> Updates:
        """Start the comparison, or ask first whether the predicted masks are right."""
        study, screen = self.screen.studies.open(study_id), self.screen
        try:
            return screens.test_masks(screen, study, reader_name(reader), chosen)
        except ImilError as error:
            return {screen.tabs: gr.Tabs(selected="results"), **self._refused(error)}

    @costs(Cost.TRAIN)
    def use(self, study_id: str, reader: str, seen: str, *chosen: Any) -> Updates:
        """Keep that what this page has shown is right, and start with the masks extended."""
        study, who = self.screen.studies.open(study_id), reader_name(reader)
        try:
            study.predictions.confirm(seen, reader=who)
            return screens.start_comparison(self.screen, study, who, chosen, predicted=True)
        except ImilError as error:
            return self._refused(error)

    @costs(Cost.TRAIN)
    def use_painted(self, study_id: str, reader: str, *chosen: Any) -> Updates:
        """Start with the painted masks alone."""
        study, who = self.screen.studies.open(study_id), reader_name(reader)
        try:
            study.predictions.decline(reader=who)
            return screens.start_comparison(self.screen, study, who, chosen, predicted=False)
        except ImilError as error:
            return self._refused(error)

    def look(self, study_id: str, page: int, *chosen: Any) -> Updates:
        """Show the sheet."""
        study, sheet = self.screen.studies.open(study_id), self.screen.results.sheet
        try:
            arms = chosen_arms(study, chosen, predicted=True)
        except ImilError as error:
            return {sheet.again: gr.Timer(active=False), sheet.trouble: error_in_place(error)}
        return show_sheet(sheet, study, arms, page=page)

    def others(self, study_id: str, page: int, *chosen: Any) -> Updates:
        """Show other images of the sample."""
        return self.look(study_id, page + 1, *chosen)

    def look_again(self, study_id: str, page: int, *chosen: Any) -> Updates:
        """Show what was being predicted, once it is there."""
        predictions = self.screen.studies.open(study_id).predictions.of()
        if predictions.known() is None and predictions.refused is None:
            predictions.begin()  # unless it has begun
            return unchanged()
        return self.look(study_id, page, *chosen)

    def correct(self, study_id: str, kind: str, chosen: Any, event: gr.EventData) -> Updates:
        """Open an image of the sample in the painter, its predicted mask as a beginning."""
        study, tab = self.screen.studies.open(study_id), self.screen.outliers
        view, sample_id = read_view(study, kind, chosen), event_value(event, "sample", str)
        region = study.predictions.region(sample_id)
        shown = outliers_tab.show_image(tab, study, view, sample_id, begin=region)
        # Where that film is open already, the painter takes the offer and no film.
        offered = offer(study_id, sample_id, region, stroke=secrets.token_hex(4))
        return {
            **shown,
            tab.painter: gr.update(value=shown[tab.painter], offered=offered),
            self.screen.tabs: gr.Tabs(selected="outliers"),
            self.screen.results.sheet.correcting: (study_id, sample_id),
        }

    @costs(Cost.EXPORT)
    def prepare(self, study_id: str) -> Updates:
        """Write the predicted masks of all training images for download."""
        study, sheet = self.screen.studies.open(study_id), self.screen.results.sheet
        path = export_predictions(study)
        return {
            sheet.prepare: gr.update(visible=False),
            sheet.download: gr.update(visible=True, value=str(path)),
        }

    def _refused(self, error: ImilError) -> Updates:
        """Say what was refused where it was asked: on the sheet, or where there is none."""
        tab = self.screen.results
        return {part: error_in_place(error) for part in (tab.trouble, tab.sheet.trouble)}
