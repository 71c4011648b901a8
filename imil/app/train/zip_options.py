"""How a zip is to be read: the questions about it, windows, text in corners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from imil.app.server.updates import Updates, components_of, html
from imil.core.records import Split
from imil.datasets.archive.inspect import ArchiveSummary
from imil.datasets.choices import Choices
from imil.datasets.layout.candidates import MOST_CLASSES
from imil.datasets.layout.reading import Question
from imil.errors import DataError, ImilError
from imil.report.parts import numbers, text
from imil.report.parts.markup import hint, part, skipped_list

ZIP_UNTRIED = "The zip is large: which of its files are damaged is told once it is read."
ZIP_QUESTIONS = {
    "label": "What the label is",
    "separator": "Sign between several labels",
    "several": "Several labels of an image",
    "empty": "Empty cells",
    "cut": "Where numbers part",
    "unsure": "Labels that are not sure",
    "values": "Rename, merge or leave out labels",
    "patient": "Whose image it is",
    "split": "Training and testing",
    "masks": "Images that may be masks",
    "made": "Images made of others",
    "variant": "Images that lie there twice",
    "leave": "Left out by name",
    "table": "Tables",
    "file": "Which image a row is for",
    "group": "Site, or a known shortcut",
    "frame": "Frame, slice or channel",
}
# What may be written instead of picked. One asterisk: Gradio's Markdown takes two for emphasis.
WRITTEN = {
    "patient": "Or write where a file's name says it, such as {patient}_*",
    "values": "Write rules, such as: nevus = benign; unknown = ; >= 3 = severe",
    "frame": "Or write its number, counted from 1",
    "leave": "Write names or folders, such as: pred/*; *_old.png",
}
# A person's answers, by question.
Answers = tuple[tuple[str, str], ...]
# The questions that have a control, in this order.
QUESTIONS = tuple(ZIP_QUESTIONS)


@dataclass(frozen=True, slots=True, eq=False)
class ZipOptions:
    """The components. Nothing is asked before a zip was looked into.

    `answers` holds what a person picked, by question; what stands in a control may be a guess.
    """

    has: gr.HTML
    box: gr.Accordion
    table_file: gr.File
    questions: tuple[gr.Dropdown, ...]
    view: gr.Number
    black: gr.Checkbox
    answers: gr.State

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        own = components_of(self, but={"questions"})
        return [*own, *self.questions]

    @property
    def inputs(self) -> list[Any]:
        """What `choices_of` is made of, in its order."""
        return [self.table_file, self.view, self.black, self.answers]


def build_zip_options() -> ZipOptions:
    """Place the components where Gradio stands now."""
    has = html(elem_id="zip-has")
    box = gr.Accordion(
        "How the zip is read", open=False, elem_classes=["advanced"], elem_id="zip-options"
    )
    with box:
        with gr.Row(elem_classes=["fields2"]):
            questions = tuple(_pick(key) for key in QUESTIONS)
        table_file = gr.File(
            label="Table that is not in the zip (CSV or .xlsx)",
            file_types=[".csv", ".tsv", ".xlsx"],
            height=140,
            elem_id="zip-table-file",
        )
        view = gr.Number(
            1,
            label="DICOM window",
            info="1 is the file's first; 0 keeps all grey levels",
            precision=0,
            minimum=0,
            elem_id="zip-view",
        )
        black = gr.Checkbox(label=text.ZIP_BLACK, elem_id="zip-black")
    return ZipOptions(
        has=has,
        box=box,
        table_file=table_file,
        questions=questions,
        view=view,
        black=black,
        answers=gr.State(()),
    )


def _pick(key: str) -> gr.Dropdown:
    return gr.Dropdown(
        [],
        label=ZIP_QUESTIONS[key],
        info=WRITTEN.get(key),
        visible=False,
        allow_custom_value=key in WRITTEN,
        elem_id=f"zip-{key}",
    )


def show_look(options: ZipOptions, look: ArchiveSummary, answers: Answers = ()) -> Updates:
    """Return the options with how a zip would be read, and what is open.

    Args:
        options: the components.
        look: what the zip seems to hold.
        answers: what a person has picked so far.
    """
    asked = {question.id: question for question in look.questions}
    controls = zip(QUESTIONS, options.questions, strict=True)
    picks: Updates = {control: _control(asked.get(key)) for key, control in controls}
    return {
        options.has: _has(look),
        options.box: gr.update(open=bool(look.questions)),
        options.answers: answers,
        **picks,
    }


def _has(look: ArchiveSummary) -> Markup:
    """Return what is taken of a zip, why, what is open, and what is left out."""
    images = numbers.some(look.images, "image", "images")
    dicom = f", {numbers.count(look.dicom)} of them DICOM" if look.dicom else ""
    masks = f", and {numbers.some(look.masks, 'mask', 'masks')}" if look.masks else ""
    has = f"{images} in the zip{dicom}{masks}."
    splits = [split for split in Split if any(split in each.splits for each in look.previews)]
    return part(
        "zip",
        of="train.html",
        has=has,
        asked=[question.text for question in look.questions if question.chosen is None],
        splits=splits,
        classes=[
            (
                each.label,
                numbers.count(each.images),
                [numbers.count(each.splits.get(split, 0)) for split in splits],
                each.pictures,
            )
            for each in look.previews
        ],
        more=max(0, len(look.classes or ()) - len(look.previews)),
        told=look.evidence,
        left_out=_left_out(look),
    )


def _left_out(look: ArchiveSummary) -> Markup:
    """Return which files will be left out, and whether there may be more."""
    listed = Markup()
    if look.skipped:
        files = numbers.some(look.left_out, "file", "files")
        title = f"{files} of the zip will be left out"
        listed = skipped_list(title, look.skipped, more=look.more_skipped)
    return listed if look.tried else listed + hint(ZIP_UNTRIED)


def _control(question: Question | None) -> Any:
    if question is None:
        return gr.update(choices=[], value=None, visible=False)
    several = len(question.choices) > 1 or question.id in WRITTEN
    return gr.update(choices=list(question.choices), value=question.chosen, visible=several)


def show_mending(options: ZipOptions, error: ImilError) -> Updates:
    """Return the options with the control on screen whose answer mends an error, if one does."""
    question = error.question if isinstance(error, DataError) else ""
    if question not in QUESTIONS:
        return {}
    control = options.questions[QUESTIONS.index(question)]
    return {options.box: gr.update(open=True), control: gr.update(visible=True)}


def show_no_look(options: ZipOptions) -> Updates:
    """Return the options before a zip was looked into."""
    return {
        options.has: "",
        options.answers: (),
        **{control: _control(None) for control in options.questions},
    }


def choices_of(values: tuple[Any, ...]) -> Choices:
    """Return what was picked; `values` are those of `ZipOptions.inputs`."""
    table_file, view, black, answers = values
    return Choices(
        answers=tuple((str(key), str(value)) for key, value in answers or ()),
        table_file=Path(table_file) if table_file else None,
        preset=1 if view is None else max(0, int(view)),
        black_corners=bool(black),
    )


def classes_of(look: ArchiveSummary) -> tuple[str, ...]:
    """Return the labels that one may be set against the rest of, where there are few of them."""
    several = next((q.choices[1:] for q in look.questions if q.id == "several"), ())
    found = tuple(dict.fromkeys((*several, *(look.classes or ()))))
    return found if 2 <= len(found) <= MOST_CLASSES else ()
