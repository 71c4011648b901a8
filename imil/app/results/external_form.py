"""Another hospital's images: what was added, what they are like, and the form to add more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.server.updates import Updates, components_of, html
from imil.datasets.external import LONGEST_SET_NAME
from imil.report.cards.external_card import check_findings, check_table
from imil.report.parts import numbers, text
from imil.report.parts.markup import heading, hint, note, remark, subtitle
from imil.study.study import Study

ADD_WORDS = (
    "Add images from elsewhere that have the same classes. The models are tried on them when you "
    "open the test set, not before."
)
CLASSES_WORDS = "The classes here are {classes}."
NOT_OPENED = "{images}. Not opened yet."
OPENED = "{images}. Opened with the test set."
LOST = "Its images are not on this machine any more. Remove the set, then add it again."


@dataclass(frozen=True, slots=True, eq=False)
class ExternalForm:
    """The components; none is seen before a model is trained."""

    part: gr.Column
    shown: gr.HTML
    box: gr.Accordion
    classes: gr.HTML
    name: gr.Textbox
    rules: gr.Textbox
    file: gr.File
    hub_id: gr.Textbox
    add: gr.Button
    trouble: gr.HTML
    which: gr.Dropdown
    remove: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        return components_of(self)

    @property
    def given(self) -> list[Any]:
        """What a set is added by: its name, rules for labels, a zip, and a Hub set's id."""
        return [self.name, self.rules, self.file, self.hub_id]


def build_external_form() -> ExternalForm:
    """Place the components where Gradio stands now."""
    with gr.Column(visible=False, elem_classes=["card"], elem_id="external") as part:
        html(heading("Another hospital") + hint(ADD_WORDS))
        shown = html(elem_id="external-sets")
        with gr.Accordion("Add a set", open=False, elem_classes=["advanced"]) as box:
            classes = html()
            with gr.Row(elem_classes=["fields2"]):
                name = gr.Textbox(
                    label="Name of the set",
                    info="The hospital or the data set, without patient data",
                    max_length=LONGEST_SET_NAME,
                    elem_id="external-name",
                )
                rules = gr.Textbox(
                    label="Rename its labels",
                    info="Such as: nv = nevus; mel = melanoma; other =",
                    max_length=1000,
                    elem_id="external-rules",
                )
            file = gr.File(
                label="Zip of images", file_types=[".zip"], height=140, elem_id="external-file"
            )
            hub_id = gr.Textbox(
                label="Or the id of a data set on the Hub",
                placeholder="owner/name or owner/name@revision",
                max_length=300,
                elem_id="external-hub",
            )
            with gr.Row(elem_classes=["actrow"]):
                add = gr.Button("Add and look at it", size="md", elem_id="external-add")
        trouble = html(elem_id="external-trouble")
        with gr.Row(elem_classes=["actrow"]):
            which = gr.Dropdown([], label="Set to remove", visible=False, elem_id="external-which")
            remove = gr.Button(
                "Remove this set", size="md", visible=False, elem_id="external-remove"
            )
    return ExternalForm(
        part=part,
        shown=shown,
        box=box,
        classes=classes,
        name=name,
        rules=rules,
        file=file,
        hub_id=hub_id,
        add=add,
        trouble=trouble,
        which=which,
        remove=remove,
    )


def show_external(form: ExternalForm, study: Study, *, trained: bool) -> Updates:
    """Return the part for a study: its sets; what a person is filling in stays."""
    names = [each.name for each in study.external.sets]
    classes = ", ".join(f"“{name}”" for name in study.images.classes)
    return {
        form.part: gr.update(visible=trained),
        form.shown: _sets(study),
        form.classes: hint(CLASSES_WORDS.format(classes=classes)),
        form.trouble: "",
        form.which: gr.update(
            choices=names, value=names[-1] if names else None, visible=bool(names)
        ),
        form.remove: gr.update(visible=bool(names)),
    }


def show_added(form: ExternalForm, study: Study) -> Updates:
    """Return the part after a set was added: the fields are empty again."""
    return {
        **show_external(form, study, trained=True),
        form.name: "",
        form.rules: "",
        form.file: None,
        form.hub_id: "",
        form.box: gr.update(open=False),
    }


def _sets(study: Study) -> Markup:
    final = study.results.final()
    opened = set() if final is None else {each.name for each in final.external}
    shown = Markup()
    for each in study.external.sets:
        images = numbers.some(each.images, text.IMAGE_ONE, text.IMAGE_MANY)
        state = (OPENED if each.name in opened else NOT_OPENED).format(images=images)
        shown += subtitle(each.name) + remark(state)
        if not study.external.is_here(each):
            shown += note(LOST, tone="warn")
        shown += check_table(each.check) + remark(" ".join(check_findings(each.check)))
    return shown
