"""How a data set would be read, told without reading or training: torch is not needed."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from imil.datasets.archive.inspect import read_zip_layout
from imil.datasets.choices import Choices, parse_answers
from imil.datasets.files.pictures import look_through
from imil.datasets.files.tree import Findings, scan
from imil.datasets.folder import list_folder, nothing_taken
from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.layout.reading import Reading
from imil.datasets.reading.dicom import DicomReader
from imil.errors import DataError, ImilError

# The exit status of an error that says what, why and how to fix it.
EXIT_ERROR = 2
# Files named on the terminal; `--json` names all.
_SHOWN = 10


def inspect(
    data: Annotated[Path, typer.Argument(help="An image folder, a zip of one, or an .npz.")],
    answer: Annotated[
        list[str] | None,
        typer.Option(help="An answer to a question, as in “label=column dx”; may be repeated."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV or .xlsx of labels that lies outside of the data.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Tell how a data set would be read: images, labels, splits, patients, masks, and why."""
    choices = Choices(answers=parse_answers(answer or ()), table_file=table)
    reading, listed = _read(data, choices)
    if not listed.images:
        raise DataError(
            "No images found.",
            why="There is no PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI file.",
            fix="Pick the folder or the zip that has the images.",
        )
    if not reading.images and not reading.open:
        raise nothing_taken(reading, listed)
    if as_json:
        sys.stdout.write(f"{json.dumps(reading.to_json(), ensure_ascii=False, indent=1)}\n")
    else:
        _print(reading)


def inspect_main() -> None:
    """Run the command alone."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(inspect)
    try:
        app(sys.argv[2:], prog_name="imil inspect")
    except ImilError as error:
        tell_error(error)


def tell_error(error: ImilError) -> None:
    """Print what, why and the fix, and exit."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for word, text in (("Error", error.what), ("Why", error.why), ("Fix", error.fix)):
        console.print(f"{word}: {text}", markup=False)
    sys.exit(EXIT_ERROR)


def _read(data: Path, choices: Choices) -> tuple[Reading, Listed]:
    if data.is_file():
        return read_zip_layout(data, choices)
    if not data.is_dir():
        raise DataError(
            f"There is no folder or zip “{data.name}”.",
            why="Nothing is there by that name.",
            fix="Check the path.",
        )
    findings = Findings()
    tree = scan(data, findings)
    with DicomReader(salt=secrets.token_hex()) as reader:
        pictures = look_through(tree, reader, data)
        listed = list_folder(tree, pictures, choices, findings)
        return read_layout(listed, choices.answered), listed


def _print(reading: Reading) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{len(reading.images)} images, {len(reading.masks)} masks of them.")
    for label, count in reading.classes.items():
        console.print(f"  {label}: {count}")
    for sentence in reading.evidence:
        console.print(f"  {sentence}")
    for left in reading.left_out[:_SHOWN]:
        console.print(f"  left out {left.file}: {left.why}")
    if len(reading.left_out) > _SHOWN:
        console.print(f"  … and {len(reading.left_out) - _SHOWN} more")
    for question in reading.questions:
        mark = "open" if question.chosen is None else f"“{question.chosen}”"
        console.print(f"{question.text} {mark}")
        for choice in question.choices:
            console.print(f"  --answer “{question.id}={choice}”")
