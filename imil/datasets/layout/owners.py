"""Whose image each is: columns, DICOM headers, folders and file names that may tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imil.datasets.layout import words
from imil.datasets.layout.folders import people
from imil.datasets.layout.patterns import PATIENT_WORDS, are_classes, guess_pattern, parse_pattern
from imil.datasets.layout.sheets import Column, Sheet, any_column

# How patterns of file names are picked.
IN_NAMES = "file name "


@dataclass(frozen=True, slots=True)
class Owners:
    """What may say whose image each is, the likeliest first.

    Attributes:
        useful: the patient of each image, by what says so.
        inferred: those that names of files and folders say.
        doubtful: those of them that may well be something else.
    """

    useful: Mapping[str, dict[str, str]]
    inferred: frozenset[str]
    doubtful: frozenset[str]


def owners_of(
    names: Sequence[str],
    labels: Mapping[str, str],
    sheets: Sequence[Sheet],
    columns: Mapping[str, Column],
    headers: Mapping[str, str],
    written: str,
) -> Owners:
    """Return what may say whose image each is.

    Args:
        names: the images.
        labels: of the images; groups that are the classes are no patients.
        sheets: tables that name images.
        columns: of these tables, joined.
        headers: patients by DICOM header.
        written: what a person answered: a choice, or a pattern.
    """
    told = _owner_columns(sheets, columns)
    # One id for all stands where the true ones were taken out.
    known = {name: headers[name] for name in names if name in headers}
    if 2 * len(known) > len(names) and len(set(known.values())) > 1:
        told["DICOM headers"] = dict(headers)
    told |= {c: o for c, o in any_column(columns).items() if c.casefold() == written.casefold()}
    inferred: dict[str, dict[str, str]] = {}
    if (found := people(names)) is not None:
        inferred[found[0]] = found[1]
    guess = guess_pattern(names, labels)
    if guess is not None:
        inferred[f"{IN_NAMES}{guess.pattern}"] = guess.patients
    doubtful = frozenset(() if guess is None or guess.sure else (f"{IN_NAMES}{guess.pattern}",))
    if PATIENT_WORDS in written:
        own = parse_pattern(written.removeprefix(IN_NAMES))
        inferred[written] = {n: p for n in names if (p := own.patient(n)) is not None}
    useful = {
        choice: kept
        for choice, own in {**told, **inferred}.items()
        if (kept := {n: own[n] for n in names if n in own and not words.is_nobody(own[n])})
        and (choice == written or choice in told or _groups(kept, labels))
    }
    return Owners(useful, frozenset(inferred), doubtful)


def _owner_columns(
    sheets: Sequence[Sheet], columns: Mapping[str, Column]
) -> dict[str, dict[str, str]]:
    """Return the columns of patients, then those of cases and lesions, with each image's."""
    found: dict[str, dict[str, str]] = {}
    for known in (words.PATIENTS, words.CASES):
        for column in sorted(columns.values(), key=lambda c: c.title):
            title = words.last_part(column.title)
            spoken = set(words.words(title)) - words.NUMBERS
            if spoken and (spoken <= known or words.plain_word(title) in known):
                own = {file: cells[0] for file, cells in column.cells.items() if cells[0]}
                if len(own) == 1 or len(set(own.values())) > 1:
                    found[f"column {column.title}"] = own
        for sheet in sheets:
            if words.has(sheet.column, known) and sheet.labelled():
                own = found.setdefault(f"column {sheet.column}", {})
                for named, cell in zip(sheet.files, sheet.cells(sheet.at), strict=True):
                    own |= dict.fromkeys(named, cell)
    return found


def _groups(owners: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether owners may be patients: several, and not the classes under another name."""
    return len(set(owners.values())) > 1 and not are_classes(owners, labels)


def shared(owners: Mapping[str, str], splits: Mapping[str, str]) -> int:
    """Return how many owners have images in two splits."""
    inside: dict[str, set[str]] = defaultdict(set)
    for name, owner in owners.items():
        if name in splits:
            inside[owner].add(splits[name])
    return sum(len(own) > 1 for own in inside.values())
