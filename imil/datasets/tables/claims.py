"""Tables beside images: which ones are read, and which row speaks of which image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imil.core.records import Split
from imil.datasets.choices import Choices
from imil.datasets.files.tree import ALIASES, Findings, Tree
from imil.datasets.tables.names import FileNames, are_splits, checked_columns, guess_columns
from imil.datasets.tables.table import (
    CONVENTION,
    TABLE_NAME,
    Columns,
    Grid,
    Row,
    Table,
    is_other_table,
    is_table,
    read_grid,
    read_table,
    rows_of,
)
from imil.errors import DataError

# Tables looked into that are not named as the convention has it: the largest ones.
MOST_TABLES = 20
# Tables of the convention: one a split and class, or a few more.
MOST_OWN_TABLES = 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """A table's row that names an image which is there; `where` is the table and its line."""

    where: str
    row: Row
    split: Split | None
    mask: str | None
    has_label: bool


@dataclass(frozen=True, slots=True)
class Guess:
    """What a table seems to say: its name, its columns' names and meanings, and the labels."""

    table: str
    names: tuple[str, ...]
    columns: Columns
    labels: frozenset[str] = frozenset()


def read_tables(
    tree: Tree, files: FileNames, choices: Choices, findings: Findings
) -> dict[str, Table]:
    """Return the tables to be read, by name: those of the convention, else the likeliest one.

    Raises:
        DataError: a table or a column that was picked is not there, or can't be read.
    """
    own = {name: file for name, file in tree.files.items() if is_table(name)}
    if choices.table_file is not None:
        name = choices.table_file.name
        if not choices.table_file.is_file():
            raise _no_table(name)
        return {name: _guessed(choices.table_file, name, files, choices.columns, findings)}
    picked = choices.table
    if picked is not None and picked not in tree.files:
        raise _no_table(picked)
    if picked is not None and not is_table(picked):
        return {picked: _guessed(tree.files[picked], picked, files, choices.columns, findings)}
    if own:
        require_few_tables(own)
        return {
            name: _convention(file, name, files, choices.columns, findings)
            for name, file in own.items()
        }
    others = {name: file for name, file in tree.files.items() if is_other_table(name)}
    there = {name: file.stat().st_size for name, file in others.items() if name not in tree.unread}
    kept = largest(there)
    best = likeliest({name: others[name] for name in others if name in kept}, files, findings)
    if best is None:
        return {}
    table = _guessed(others[best.table], best.table, files, choices.columns, findings)
    return {best.table: table}


def require_few_tables(names: Iterable[str]) -> None:
    """Refuse data with more tables of the convention than `MOST_OWN_TABLES`."""
    own = sum(is_table(name) for name in names)
    if own > MOST_OWN_TABLES:
        raise DataError(
            f"There are {own} tables named {TABLE_NAME}.",
            why=f"One a split or class is read, and {MOST_OWN_TABLES} at most.",
            fix="Join them into one, with a column of file names and one of labels.",
        )


def largest(sizes: Mapping[str, int], *, but: str | None = None) -> frozenset[str]:
    """Return the names of the `MOST_TABLES` largest tables, and of the one that was picked."""
    by_size = sorted(sizes, key=lambda name: (-sizes[name], name))
    picked = (name for name in sizes if but is not None and f"/{name}".endswith(f"/{but}"))
    return frozenset((*by_size[:MOST_TABLES], *picked))


def likeliest(
    tables: Mapping[str, Path], files: FileNames, findings: Findings | None = None
) -> Guess | None:
    """Return the table that names most files, with labels before without; None if none does.

    A table that can't be read is no candidate; `findings` are told.
    """
    found: list[tuple[tuple[bool, int], Guess]] = []
    for name, file in tables.items():
        try:
            grid = read_grid(file, name)
        except DataError as error:
            if findings is not None:
                findings.skip(name, error.why)
            continue
        columns = guess_columns(grid, name, files)
        if columns is not None and columns.file is not None:
            cells = set(grid.column(columns.file))
            named = sum(files.find(name, cell, lenient=True) is not None for cell in cells)
            labels = frozenset(grid.column(columns.label) if columns.label else ())
            guess = Guess(name, grid.names, columns, labels)
            found.append(((columns.label is not None, named), guess))
    return max(found, key=lambda each: each[0])[1] if found else None


def claims_of(
    tree: Tree, tables: Mapping[str, Table], files: FileNames, findings: Findings
) -> tuple[dict[str, list[Claim]], set[str]]:
    """Return the rows of each image that is there, and what else is spoken for.

    That is reference masks, and images whose row was refused with a reason.
    """
    claims: dict[str, list[Claim]] = {}
    spoken: set[str] = set()
    for name, table in tables.items():
        splits = [row.split for row in table.rows if row.split]
        parted = are_splits(splits)
        if splits and not parted:
            findings.note("The table's column of splits names others and is not read.")
        for row in table.rows:
            where = f"{name}, line {row.line}"
            target = files.find(name, row.file_name, lenient=table.lenient)
            mask = files.find(name, row.relevant_file_name)
            if mask is not None:
                spoken.add(mask)
            elif row.relevant_file_name is not None:
                findings.skip(where, f"The mask “{row.relevant_file_name}” is not there.")
            if target is None:
                missing = row.file_name
                findings.skip(where, f"“{missing}” is not there." if missing else "No file_name.")
                continue
            split = tree.split(name) or tree.split(target)
            if split is None and parted:
                if row.split is None:
                    findings.skip(where, f"“{target}” has an empty split.")
                    spoken.add(target)
                    continue
                split = ALIASES[row.split.lower()]
            claim = Claim(where, row, split, mask, table.has_label)
            claims.setdefault(target, []).append(claim)
    return claims, spoken


def labels_agree(claims: Sequence[Claim]) -> bool:
    """Return whether all rows of an image give it one label."""
    return len({claim.row.label for claim in claims}) == 1


def _convention(
    file: Path, name: str, files: FileNames, columns: Columns | None, findings: Findings
) -> Table:
    """Return a metadata.csv as the convention has it, else by what its columns seem to mean."""
    if columns is not None:
        return _guessed(file, name, files, columns, findings)
    grid = read_grid(file, name)
    if CONVENTION.file in grid.names or guess_columns(grid, name, files) is None:
        return read_table(file, name)
    return _guessed(file, name, files, None, findings)


def _guessed(
    file: Path, name: str, files: FileNames, columns: Columns | None, findings: Findings
) -> Table:
    grid = read_grid(file, name)
    if columns is None:
        meant = guess_columns(grid, name, files)
    else:
        meant = checked_columns(grid, name, columns)
    if meant is None or meant.file is None:
        raise _no_files(name, grid)
    findings.note(_said(meant))
    return rows_of(grid, meant, lenient=True)


def _said(columns: Columns) -> str:
    """Say what was read from which column, without the table's name, which may name a person."""
    words = {
        "file": columns.file,
        "label": columns.label,
        "patient": columns.patient,
        "site": columns.group,
        "split": columns.split,
        "frame": columns.frame,
    }
    told = ", ".join(f"{word} from “{column}”" for word, column in words.items() if column)
    return f"Read from the table: {told}."


def _no_table(name: str) -> DataError:
    return DataError(
        f"There is no table “{name}”.",
        why="Nothing of that name is there.",
        fix="Name a CSV or .xlsx file that lies beside the images, or check its path.",
    )


def _no_files(name: str, grid: Grid) -> DataError:
    columns = ", ".join(f"“{column}”" for column in grid.names if column) or "empty"
    return DataError(
        f"“{name}” names none of the images.",
        why=f"Its columns are {columns}, and no cell of them is a file's name or DICOM UID.",
        fix="Pick the column that says which image a row is for, or check the names in it.",
    )
