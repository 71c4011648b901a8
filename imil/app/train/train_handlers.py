"""What the acts on the Train tab lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.screen import Screen
from imil.app.server.errors import error_in_place
from imil.app.server.input_checks import choice
from imil.app.server.rates import Cost, costs
from imil.app.server.updates import QUIET_EVENT, Updates, unchanged
from imil.app.train import train_tab
from imil.app.train.deployment_question import show_deployment
from imil.app.train.plan_form import plan_from, show_backbone, show_checked, show_plan
from imil.core.records import Deployment
from imil.core.review.readers import reader_name
from imil.errors import ImilError
from imil.study.library.presets import Preset, preset_plan

# Of several changes of fields in a row, as a preset makes them, the last is what is checked.
CHECKED: dict[str, Any] = {**QUIET_EVENT, "queue": False, "trigger_mode": "always_last"}


@dataclass(frozen=True, slots=True, eq=False)
class TrainHandlers:
    """Callbacks of the Train tab."""

    screen: Screen

    def wire(self) -> None:
        """Attach the callbacks to their components."""
        screen, tab = self.screen, self.screen.train
        form = tab.form
        chosen = [screen.study_id, form.preset]
        form.preset.input(self.choose_preset, chosen, form.outputs, **QUIET_EVENT)
        chosen = [screen.study_id, form.offered, *form.fields]
        form.backbone.input(self.choose_backbone, chosen, form.outputs_of_backbone, **QUIET_EVENT)
        checked = [screen.study_id, *form.fields]
        for field in form.fields:
            if field is not form.backbone:
                field.change(self.check, checked, form.outputs_of_check, **CHECKED)
        by = [screen.study_id, screen.reader]
        asked = [*by, *tab.form.fields]
        answered = [*by, tab.deployment.answer]
        outputs = [*tab.deployment.outputs, tab.plan_trouble]
        tab.deployment.answer.input(self.answer_deployment, answered, outputs, **QUIET_EVENT)
        tab.train.click(self.train, asked, [*tab.outputs, screen.timer], **QUIET_EVENT)
        tab.stop.click(self.stop, by, tab.outputs, queue=False, **QUIET_EVENT)
        # The film is at the top of its tab, wherever this page was scrolled to.
        top = "() => { window.scrollTo(0, 0); return []; }"
        tab.review.click(self.review, None, screen.tabs, js=top, **QUIET_EVENT)

    def choose_preset(self, study_id: str, preset: str) -> Updates:
        """Offer a plan by name."""
        study = self.screen.studies.open(study_id)
        plan = preset_plan(choice(Preset, preset), study.images, study.plan)
        return show_plan(self.screen.train.form, study.images, plan, locked=study.training.started)

    def choose_backbone(self, study_id: str, offered: str, *values: Any) -> Updates:
        """Offer a backbone's own settings; not where the field was only passed by, as by Tab."""
        if values[0] == offered:
            return unchanged()
        study = self.screen.studies.open(study_id)
        return show_backbone(self.screen.train.form, study.images, study.plan, values)

    def check(self, study_id: str, *values: Any) -> Updates:
        """Say beside the fields what can't be trained as it stands there."""
        if not study_id:
            return unchanged()
        study = self.screen.studies.open(study_id)
        return show_checked(self.screen.train.form, study.images, study.plan, values)

    def answer_deployment(self, study_id: str, reader: str, deployment: str) -> Updates:
        """Keep where the model will work; where it is fixed, say so and show what was answered."""
        tab, study = self.screen.train, self.screen.studies.open(study_id)
        said = ""
        try:
            study.training.set_deployment(choice(Deployment, deployment), who=reader_name(reader))
        except ImilError as error:
            said = error_in_place(error)
        return {**show_deployment(tab.deployment, study), tab.plan_trouble: said}

    @costs(Cost.TRAIN)
    def train(self, study_id: str, reader: str, *values: Any) -> Updates:
        """Fix the plan and start training, or go on with it."""
        tab, who = self.screen.train, reader_name(reader)
        study = self.screen.studies.open(study_id)
        try:
            if not study.training.started:
                study.training.set_plan(plan_from(study.plan, values), who=who)
            study.training.start(who=who)
        except ImilError as error:
            return {tab.plan_trouble: error_in_place(error)}
        return {**train_tab.show_locked(tab, study), self.screen.timer: gr.Timer(active=True)}

    def stop(self, study_id: str, reader: str) -> Updates:
        """Stop training within one batch."""
        self.screen.studies.open(study_id).stop(who=reader_name(reader))
        return train_tab.show_training_stopping(self.screen.train)

    def review(self) -> gr.Tabs:
        """Go to the outliers."""
        return gr.Tabs(selected="outliers")
