"""How tables name files, and what their columns mean: found where it can be, told where not."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from imil.datasets.files.tree import ALIASES
from imil.datasets.tables.table import CONVENTION, Columns, Grid
from imil.errors import DataError

# How columns are called, in letters and digits alone; the first that is there counts.
_LABELS = (
    "label", "labels", "labelname", "class", "classname", "diagnosis", "diagnose", "dx", "finding",
    "findings", "target", "category", "outcome", "result", "groundtruth", "gt", "befund",
)  # fmt: skip
_PATIENTS = (
    "patientid", "patient", "patid", "pat", "patnr", "pid", "subjectid", "subject", "personid",
    "mrn", "participantid", "caseid", "lesionid",
)  # fmt: skip
_GROUPS = (
    "site", "group", "hospital", "center", "centre", "clinic", "institution", "scanner", "siteid",
)  # fmt: skip
_SPLITS = ("split", "set", "subset", "partition", "fold")
_FRAMES = ("frame", "framenumber", "slice")

# Share of a column's cells that must name files for it to be taken for the column of files.
LEAST_NAMED = 0.2
# Cells of a column that are looked at to tell whether it names files.
SAMPLE = 1000
# More different labels than this are names, numbers or free text.
MOST_CLASSES = 100
# A DICOM UID: digits in groups.
_UID = re.compile(r"[0-2](\.\d+){3,}")


@dataclass(frozen=True, slots=True)
class FileNames:
    """Files as a table may call them.

    Attributes:
        names: "/"-separated paths.
        uids: paths by DICOM SOPInstanceUID, where they are known.
        shorter: paths by file name and by name without suffix, in lower case; those that are one
            file's alone.
    """

    names: frozenset[str]
    uids: Mapping[str, str]
    shorter: Mapping[str, str]

    @classmethod
    def of(cls, names: Iterable[str], uids: Mapping[str, str] | None = None) -> FileNames:
        """Return the ways in which files can be called."""
        known = frozenset(names)
        short: dict[str, set[str]] = {}
        for name in known:
            lower = name.lower()
            base = posixpath.basename(lower)
            for called in {base, posixpath.splitext(base)[0], lower}:
                short.setdefault(called, set()).add(name)
        alone = {called: next(iter(are)) for called, are in short.items() if len(are) == 1}
        return cls(known, uids or {}, alone)

    def find(self, table: str, written: str | None, *, lenient: bool = False) -> str | None:
        """Return the file that a cell of a table means; None where there is none such.

        Args:
            table: the table's own path; names are relative to its folder.
            written: the cell.
            lenient: whether a name without its folder or suffix, in any case, will do.
        """
        if written is None:
            return None
        for spelling in (written, written.replace("\\", "/")):
            beside = posixpath.join(posixpath.dirname(table), posixpath.normpath(spelling))
            if (name := posixpath.normpath(beside)) in self.names:
                return name
        if written in self.uids:
            return self.uids[written]
        if not lenient:
            return None
        path = posixpath.normpath(written.replace("\\", "/").lower())
        called = (path, posixpath.basename(path))
        return next((self.shorter[name] for name in called if name in self.shorter), None)


def guess_columns(grid: Grid, table: str, files: FileNames) -> Columns | None:
    """Return what a table's columns seem to mean; None where none of them names files.

    Columns of the ImageFolder convention are believed; the column of files is the one whose cells
    name most of them; others go by their names, and splits by their values too.
    """
    file = CONVENTION.file if CONVENTION.file in grid.names else _file_column(grid, table, files)
    if file is None:
        return None
    taken = {file}

    def called(known: tuple[str, ...], *, most: int | None = None) -> str | None:
        plain = {re.sub(r"[\W_]", "", name): name for name in reversed(grid.names) if name}
        for name in (plain[each] for each in known if each in plain):
            few = most is None or 0 < len(set(grid.column(name))) <= most
            if name not in taken and few:
                taken.add(name)
                return name
        return None

    patient, group, frame = called(_PATIENTS), called(_GROUPS), called(_FRAMES)
    split = called(_SPLITS)
    if split is not None and not are_splits(grid.column(split)):
        split = None
    label = called(_LABELS, most=MOST_CLASSES)
    return Columns(file, label, patient, group, split, frame)


def parse_columns(written: str) -> Columns:
    """Return what a person wrote as in “file=image,label=dx”.

    Raises:
        DataError: a part names no meaning of a column, or no file column is named.
    """
    known = {field.name for field in fields(Columns)}
    parts = dict(part.partition("=")[::2] for part in written.split(","))
    named = {meaning.strip().lower(): name.strip() for meaning, name in parts.items()}
    if not set(named) <= known or not named.get("file"):
        raise DataError(
            f"“{written}” does not say what the columns mean.",
            why=f"Columns can mean {', '.join(field.name for field in fields(Columns))}, and file "
            "must be among them.",
            fix="Write it as in file=image,label=diagnosis,patient=id.",
        )
    return Columns(**named)


def checked_columns(grid: Grid, table: str, columns: Columns) -> Columns:
    """Return columns that a person named, in the table's spelling; DataError if one is missing."""
    named = {field.name: getattr(columns, field.name) for field in fields(columns)}
    lower = {field: name.strip().lower() or None for field, name in named.items() if name}
    for name in lower.values():
        if name is not None and name not in grid.names:
            raise DataError(
                f"“{table}” has no column “{name}”.",
                why=f"Its columns are {', '.join(name for name in grid.names if name)}.",
                fix="Name one of them.",
            )
    return replace(Columns(None), **lower)


def are_splits(values: list[str]) -> bool:
    """Return whether a column's cells, one at least, all name a split."""
    return bool(values) and all(value.lower() in ALIASES for value in set(values))


def _file_column(grid: Grid, table: str, files: FileNames) -> str | None:
    shares = Counter[str]()
    for name in dict.fromkeys(name for name in grid.names if name):
        cells = grid.column(name)
        # A sample of a long column tells as much, and takes seconds less.
        sample = Counter(cells[:: 1 + len(cells) // SAMPLE])
        named = sum(
            count
            for cell, count in sample.items()
            if files.find(table, cell, lenient=True) is not None or _UID.fullmatch(cell)
        )
        # Study and series ids look alike, and are no image's own.
        shares[name] = named if named >= LEAST_NAMED * sample.total() else 0
        if shares[name] and len(set(cells)) < len(cells) / 2:
            shares[name] = 1
    best = max(shares, key=lambda name: (shares[name], "sop" in name), default=None)
    return best if best is not None and shares[best] else None
