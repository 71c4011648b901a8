"""How a zip is to be read: its table and columns, patients, DICOM frames, text in corners."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from imil.app.server.shown import Shown, html
from imil.datasets.archive.look import Look
from imil.datasets.choices import Choices
from imil.datasets.tables.table import Columns
from imil.report.parts import numbers, text
from imil.report.parts.markup import skipped_list

ZIP_UNTRIED = "The zip is large: which of its files are damaged is told once it is read."
ZIP_COLUMNS = {
    "file": "Column of files",
    "label": "Column of labels",
    "patient": "Column of patients",
    "group": "Column of sites",
    "split": "Column of splits",
    "frame": "Column of frames",
}
ZIP_PATTERN_FOUND = (
    "File names look as if they named patients: {pattern} makes {groups}, as {patient} of "
    "{example}. Tick to keep each group in one split."
)

# Columns that can be picked, in the order of `Columns`.
MEANINGS = tuple(field.name for field in fields(Columns))


@dataclass(frozen=True, slots=True, eq=False)
class ZipOptions:
    """The components. Nothing is asked before a zip was looked into."""

    has: gr.HTML
    box: gr.Accordion
    table_file: gr.File
    table: gr.Dropdown
    columns: tuple[gr.Dropdown, ...]
    pattern_found: gr.HTML
    pattern: gr.Textbox
    use_pattern: gr.Checkbox
    frame: gr.Number
    view: gr.Number
    black: gr.Checkbox

    @property
    def outputs(self) -> list[Any]:
        """Every component that a callback may change."""
        own = [getattr(self, field.name) for field in fields(self) if field.name != "columns"]
        return [*own, *self.columns]

    @property
    def inputs(self) -> list[Any]:
        """What `choices_of` is made of, in its order."""
        return [
            self.table_file,
            self.table,
            self.pattern,
            self.use_pattern,
            self.frame,
            self.view,
            self.black,
            *self.columns,
        ]


def build_zip_options() -> ZipOptions:
    """Place the components where Gradio stands now."""
    has = html(elem_id="zip-has")
    box = gr.Accordion(
        "Table, patients, DICOM, text in corners",
        open=False,
        elem_classes=["advanced"],
        elem_id="zip-options",
    )
    with box:
        with gr.Row(elem_classes=["fields2"]):
            table = _pick("Table in the zip", "zip-table")
            columns = tuple(_pick(ZIP_COLUMNS[name], f"zip-{name}") for name in MEANINGS)
        table_file = gr.File(
            label="Table that is not in the zip (CSV or .xlsx)",
            file_types=[".csv", ".tsv", ".xlsx"],
            height=140,
            elem_id="zip-table-file",
        )
        pattern_found = html(elem_id="zip-pattern-found")
        with gr.Row(elem_classes=["fields2"]):
            pattern = gr.Textbox(
                label="Patient in the file name",
                info="{patient} stands for whose image it is, and * for anything else",
                max_length=200,
                elem_id="zip-pattern",
            )
            use_pattern = gr.Checkbox(label="Group images by it", elem_id="zip-use-pattern")
            frame = gr.Number(
                0,
                label="DICOM with several frames: use frame",
                info="Counted from 1; 0 leaves such files out",
                precision=0,
                minimum=0,
                elem_id="zip-picked-frame",
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
        table=table,
        columns=columns,
        pattern_found=pattern_found,
        pattern=pattern,
        use_pattern=use_pattern,
        frame=frame,
        view=view,
        black=black,
    )


def _pick(label: str, name: str) -> gr.Dropdown:
    return gr.Dropdown([], label=label, visible=False, elem_id=name)


def show_look(options: ZipOptions, look: Look) -> Shown:
    """Return the options with what a zip seems to hold, guesses picked."""
    said = (
        f"Labels from {look.table}: please check the columns below."
        if look.table
        else "No table names them: class folders are the labels."
    )
    has = "{images} in the zip{dicom}. {table}".format(
        images=numbers.some(look.images, "image", "images"),
        dicom=f", {numbers.count(look.dicom)} of them DICOM" if look.dicom else "",
        table=said,
    )
    guess = look.pattern
    found = ""
    if guess is not None:
        found = ZIP_PATTERN_FOUND.format(
            pattern=guess.pattern,
            groups=numbers.some(guess.groups, "group", "groups"),
            patient=guess.patient,
            example=guess.example,
        )
    picks: Shown = {
        column: _column(look, name) for name, column in zip(MEANINGS, options.columns, strict=True)
    }
    return {
        options.has: f'<p class="sub s13">{escape(has)}</p>{_left_out(look)}',
        options.box: gr.update(open=look.table is not None or guess is not None),
        options.table: gr.update(
            choices=list(look.tables),
            value=look.table if look.table in look.tables else None,
            visible=len(look.tables) > 1,
        ),
        options.pattern_found: f'<p class="sub s13">{escape(found)}</p>' if found else "",
        options.pattern: "" if guess is None else guess.pattern,
        options.use_pattern: False,
        **picks,
    }


def _left_out(look: Look) -> str:
    """Return which files will be left out, and whether there may be more."""
    listed = ""
    if look.skipped:
        files = numbers.some(look.left_out, "file", "files")
        title = f"{files} of the zip will be left out"
        listed = skipped_list(title, look.skipped, more=look.more_skipped)
    more = "" if look.tried else f'<p class="sub s13">{escape(ZIP_UNTRIED)}</p>'
    return listed + more


def _column(look: Look, meaning: str) -> Any:
    guessed = None if look.columns is None else getattr(look.columns, meaning)
    # A file is always named by some column; anything else may be by none.
    none = [] if meaning == "file" else [("none", "")]
    return gr.update(
        choices=[*none, *((name, name) for name in look.names)],
        value=guessed or ("" if none else None),
        visible=look.columns is not None,
    )


def show_no_look(options: ZipOptions) -> Shown:
    """Return the options before a zip was looked into."""
    return {
        options.has: "",
        options.pattern_found: "",
        options.pattern: "",
        options.use_pattern: False,
        options.table: gr.update(choices=[], value=None, visible=False),
        **{column: gr.update(choices=[], value=None, visible=False) for column in options.columns},
    }


def choices_of(values: tuple[Any, ...]) -> Choices:
    """Return what was picked; `values` are those of `ZipOptions.inputs`."""
    table_file, table, pattern, use_pattern, frame, view, black, *columns = values
    named = {name: value or None for name, value in zip(MEANINGS, columns, strict=True)}
    return Choices(
        table=table or None,
        table_file=Path(table_file) if table_file else None,
        columns=Columns(**named) if named["file"] else None,
        patient_pattern=(pattern or "").strip() or None if use_pattern else None,
        frame=None if not frame else int(frame),
        preset=1 if view is None else max(0, int(view)),
        black_corners=bool(black),
    )
