"""What the acts on the Train tab lead to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from imil.core.records import Split
from imil.errors import DataError, ImilError
from imil.ui import text, train_tab
from imil.ui.errors import error_in_place, errors_shown
from imil.ui.plan_form import plan_for_backbone, plan_from, show_plan
from imil.ui.screen import Screen, show_all
from imil.ui.shown import QUIET, Shown


@dataclass(frozen=True, slots=True, eq=False)
class TrainActs:
    """Callbacks of the Train tab."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        screen, tab = self.screen, self.screen.train
        sides = [tab.demo, tab.archive]
        tab.source.input(self.choose_source, tab.source, sides, queue=False, **QUIET)
        tab.open_demo.click(self.open_demo, None, screen.outputs, **QUIET)
        tab.open_untrained.click(self.open_untrained, None, screen.outputs, **QUIET)
        tab.file.change(self.new_file, None, [tab.positive, tab.trouble], **QUIET)
        tab.open_archive.click(
            self.open_archive,
            [tab.file, tab.name, tab.positive],
            screen.outputs,
            show_progress="full",
            show_progress_on=tab.study,
            api_visibility="private",
        )
        plan = [tab.form.summary, *tab.form.fields]
        chosen = [screen.study_id, tab.form.backbone]
        tab.form.backbone.input(self.choose_backbone, chosen, plan, **QUIET)
        asked = [screen.study_id, *tab.form.fields]
        tab.train.click(self.train, asked, screen.outputs, **QUIET)
        tab.stop.click(self.stop, screen.study_id, tab.outputs, queue=False, **QUIET)
        tab.review.click(self.review, None, screen.tabs, **QUIET)

    def choose_source(self, source: str) -> Shown:
        """Show the fields of a source."""
        tab, demo = self.screen.train, source == text.SOURCE_DEMO
        return {tab.demo: gr.update(visible=demo), tab.archive: gr.update(visible=not demo)}

    def open_demo(self) -> Shown:
        """Begin a demo study, trained where a training is shipped."""
        with errors_shown():
            return show_all(self.screen, self.screen.studies.demo())

    def open_untrained(self) -> Shown:
        """Begin a demo study whose plan can still be changed."""
        with errors_shown():
            return show_all(self.screen, self.screen.studies.demo(trained=False))

    def new_file(self) -> Shown:
        """Forget what was said about another file."""
        tab = self.screen.train
        return {tab.positive: gr.update(choices=[], value=None, visible=False), tab.trouble: ""}

    def open_archive(
        self,
        file: str | None,
        name: str | None,
        positive: str | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds it by its default)
    ) -> Shown:
        """Begin a study of the images in a zip; what is wrong with it is said beside it."""
        tab = self.screen.train
        try:
            path = _uploaded(file)
            study = self.screen.studies.from_archive(
                path,
                name=(name or "").strip() or path.stem,
                positive=positive or None,
                on_progress=lambda done, total: progress((done, total), unit=text.IMAGES.lower()),
            )
        except ImilError as error:
            return {tab.trouble: error_in_place(error)}
        shown = show_all(self.screen, study)
        if not positive:
            # Only now are the labels known.
            choices = ["", *study.images.classes]
            shown[tab.positive] = gr.update(choices=choices, value="", visible=True)
        return shown

    def choose_backbone(self, study_id: str, backbone: str) -> Shown:
        """Offer a backbone's own settings."""
        with errors_shown():
            study = self.screen.studies.open(study_id)
            plan = plan_for_backbone(study.plan, backbone)
            training = len(study.images.rows(Split.TRAIN))
            form = self.screen.train.form
            return show_plan(form, plan, training_images=training, locked=study.started)

    def train(self, study_id: str, *values: Any) -> Shown:
        """Fix the plan and start training, or go on with it."""
        tab = self.screen.train
        with errors_shown():
            study = self.screen.studies.open(study_id)
        try:
            if not study.started:
                study.set_plan(plan_from(study.plan, values))
            study.start_training()
        except ImilError as error:
            return {tab.plan_trouble: error_in_place(error)}
        return {**train_tab.show_locked(tab, study), self.screen.timer: gr.Timer(active=True)}

    def stop(self, study_id: str) -> Shown:
        """Stop training within one batch."""
        with errors_shown():
            self.screen.studies.open(study_id).stop()
        return train_tab.show_stopping(self.screen.train)

    def review(self) -> gr.Tabs:
        """Go to the outliers."""
        return gr.Tabs(selected="outliers")


def _uploaded(file: str | None) -> Path:
    if not file:
        raise DataError(
            "There is no file yet.",
            why="The images come from a zip.",
            fix="Drop a zip into the field above, then press the button again.",
        )
    return Path(file)
