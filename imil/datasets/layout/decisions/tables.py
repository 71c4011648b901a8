"""Which tables are read, and what they say of files besides labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from imil.datasets.layout import words
from imil.datasets.layout.decisions.draft import ALL, NONE, Draft
from imil.datasets.layout.matching import Files
from imil.datasets.layout.sheets import Sheet, understood, with_equal
from imil.datasets.tables.table import Grid, file_of
from imil.errors import DataError

# How several columns of images are picked together.
EVERY = "each of the columns "
# Rows of a table, and tables, that are named; more rows are counted.
_MOST_ROWS, _MOST_TABLES_TOLD = 200, 6


def pick_tables(draft: Draft, tables: Mapping[str, Grid], uids: Mapping[str, str]) -> list[Sheet]:
    """Return the tables that are read, each with the images that its rows are for.

    Args:
        draft: what was found so far.
        tables: all that are there, by path.
        uids: image files by DICOM SOPInstanceUID.

    Raises:
        DataError: a table or column that a person named is not there, or names no image.
    """
    files = Files.of(draft.names, uids)
    written = draft.decisions.answers.get("file", "")
    column = None if written.startswith(EVERY) else written.removeprefix("column ") or None
    found = [
        sheet
        for name in sorted(tables)
        if (sheet := understood(name, tables[name], files, column)) is not None
    ]
    if column is not None and not found and tables:
        name = min(tables)
        raise _no_files(name, tables[name])
    named = {sheet.name for sheet in found}
    if tables:
        picked = _picked(draft, tables, named)
        if picked == NONE:
            return []
        found = [sheet for sheet in found if picked in (ALL, sheet.name)]
    if found:
        _tell_columns(draft, found)
    if column is None:
        found = [with_equal(sheet, files) if sheet.equal else sheet for sheet in found]
    idle = sorted(set(tables) - named)
    if idle:
        listed = ", ".join(f"“{name}”" for name in idle[:_MOST_TABLES_TOLD])
        verb = "names" if len(idle) == 1 else "name"
        draft.decisions.tell(f"tables: {listed} {verb} no image.")
    return found


def _picked(draft: Draft, tables: Mapping[str, Grid], named: Collection[str]) -> str:
    """Return which table is read: all, none, or one by the end of its path."""
    decisions = draft.decisions
    written = decisions.answers.get("table")
    if written not in (None, ALL, NONE):
        fits = [
            name
            for name in sorted(tables, key=lambda name: (name not in named, name))
            if f"/{name}".endswith(f"/{written}") or f"/{file_of(name)}".endswith(f"/{written}")
        ]
        if not fits:
            raise DataError(
                f"There is no table “{written}”.",
                why="Nothing of that name is there.",
                fix="Name a table that lies beside the images, or check its path.",
                question="table",
            )
        if fits[0] not in named:
            raise _no_files(fits[0], tables[fits[0]])
        decisions.answers = {**decisions.answers, "table": fits[0]}
    choices = (ALL, NONE, *sorted(tables))
    return decisions.decide("table", "Which tables are read?", choices, ALL) or ALL


def _tell_columns(draft: Draft, sheets: Sequence[Sheet]) -> None:
    """Note which columns name the images; a person may have picked another one."""
    columns = sorted({title for sheet in sheets for title in sheet.grid.names if title})
    first = next((sheet.column for sheet in sheets if sheet.column), "")
    likely: str | None = f"column {first}"
    choices = tuple(f"column {title}" for title in columns)
    alike = next((sheet for sheet in sheets if sheet.equal), None)
    if alike is not None:
        # The label of a row may be of one image, or of all that the row names.
        titles = (alike.grid.names[at] for at in sorted({alike.at, *alike.equal}))
        every = EVERY + ", ".join(titles)
        likely, choices = None, (every, *choices)
    draft.decisions.decide("file", "Which column says which image a row is for?", choices, likely)
    named_by = ", ".join(
        f"“{sheet.name}” names {len(sheet.reached)} images by “{sheet.column}”"
        for sheet in sorted(sheets, key=lambda s: -len(s.reached))[:_MOST_TABLES_TOLD]
    )
    draft.decisions.tell(f"tables: {named_by}.")


def take_named_masks(draft: Draft, sheets: Sequence[Sheet]) -> None:
    """Take masks, and leave out other images, that columns beside that of the images name."""
    known = Files.of((*draft.names, *draft.masks))
    for sheet in sheets:
        for at, title in enumerate(sheet.grid.names):
            masked = words.has(title, words.MASKS) or words.plain_word(title) == "relevantfilename"
            if at == sheet.at or not (masked or at in sheet.others):
                continue
            if at in sheet.equal and any(len(own) > 1 for own in sheet.files):
                continue
            pairs = _pairs(draft, sheet, at, known, masked=masked)
            if not pairs:
                continue
            draft.decisions.tell(
                f"{'masks' if masked else 'left out'}: {len(pairs)} images of the column “{title}”."
            )
            if masked:
                draft.take_masks(pairs)
            else:
                why = f"The column “{title}” names it beside another image."
                draft.leave(dict.fromkeys(pairs, why))


def _pairs(draft: Draft, sheet: Sheet, at: int, known: Files, *, masked: bool) -> dict[str, str]:
    """Return the files that a column names, with the image of each; note masks not there."""
    pairs: dict[str, str] = {}
    for (line, _), named, cell in zip(sheet.grid.rows, sheet.files, sheet.cells(at), strict=True):
        found = known.find(sheet.name, cell, "name")
        if len(found) == 1 and len(named) == 1 and found[0] != named[0]:
            pairs[found[0]] = named[0]
        elif masked and cell and named and not found:
            draft.rows[f"{sheet.name}, line {line}"] = f"The mask “{cell}” is not there."
    return pairs


def tell_rows(draft: Draft, sheets: Sequence[Sheet], unreadable: Sequence[str]) -> None:
    """Note the rows that name no image; those of an image that can't be read are no news."""
    told = Files.of(unreadable)
    for sheet in sheets:
        lines = [line for line, _ in sheet.grid.rows]
        cells = sheet.cells(sheet.at)
        missing = [
            (line, cell)
            for line, cell, own in zip(lines, cells, sheet.files, strict=True)
            if not own and not told.find(sheet.name, cell, "name")
        ]
        for line, cell in missing[:_MOST_ROWS]:
            draft.rows[f"{sheet.name}, line {line}"] = (
                f"“{cell}” is not there." if cell else f"No {sheet.column}."
            )
        if len(missing) > _MOST_ROWS:
            draft.decisions.tell(
                f"tables: {len(missing)} rows of “{sheet.name}” name no image that is there."
            )


def _no_files(name: str, grid: Grid) -> DataError:
    columns = ", ".join(f"“{column}”" for column in grid.names if column) or "empty"
    return DataError(
        f"“{name}” names none of the images.",
        why=f"Its columns are {columns}, and no cell of them is a file's name or DICOM UID.",
        fix="Pick the column that says which image a row is for, or check the names in it.",
        question="file",
    )
