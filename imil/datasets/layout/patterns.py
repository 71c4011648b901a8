"""Whose image a file's name says it is: a pattern that a person can read, and a guess of one."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imil.datasets.layout.words import PATIENTS, SIDES, plain_word
from imil.errors import DataError

# What stands for the patient in a pattern, for anything else, and for a side at a name's end.
PATIENT_WORDS, ANY, SIDED = "{patient}", "*", "{side}"
_BEHIND_DIGIT = re.compile(r"(.*\d)(left|right|l|r|od|os)", re.IGNORECASE)
# Patterns that are tried on a set's names, in this order.
_USUAL = (
    "{patient}/*", "{patient}_*", "{patient}-*", "{patient}.*", "*-{patient}-*", "*_{patient}_*",
    "{patient}{side}", "*patient_{patient}_*", "*patient{patient}_*",
)  # fmt: skip
# Groups from which a pattern is believed: fewer may be classes, sites or a common first word.
# Long numbers that come again are hardly anything else.
LEAST_GROUPS, FEWEST_LONG = 8, 3
# Share of images whose group is their class, from which groups are taken for classes. Our choice.
SAME_SHARE = 0.9
# Images a group has at most on average; a hundred views of one patient are rarely meant.
MOST_A_GROUP = 50
# A word for a person and a number.
_PERSON = re.compile(rf"(?:{'|'.join(sorted(PATIENTS))})[\s_\-]?\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pattern:
    """How file names name patients, such as “{patient}_*” or “{patient}/*”.

    It is held against the end of a file's path without its suffix, folder by folder; the patient is
    the shortest text that fits, and never empty. Where it ends in “{side}”, names end in left,
    right, l, r, od or os behind a digit.
    """

    written: str
    parts: tuple[tuple[str, ...], ...]
    sided: bool = False

    def patient(self, name: str) -> str | None:
        """Return whose image a file is; None where its name does not fit."""
        *folders, file = name.split("/")
        own = (*folders, posixpath.splitext(file)[0])
        if self.sided:
            if (found_side := _BEHIND_DIGIT.fullmatch(own[-1])) is None:
                return None
            own = (*folders, found_side[1])
        if len(own) < len(self.parts):
            return None
        found: str | None = None
        for part, text in zip(self.parts, own[-len(self.parts) :], strict=True):
            fits, patient = _fit(part, text)
            if not fits:
                return None
            found = patient or found
        return found


@dataclass(frozen=True, slots=True)
class PatternGuess:
    """What a pattern makes of a set's names: the patient of each image that fits.

    `sure` says that the names leave little doubt: a word for patients, sides of one person, or long
    numbers that come again.
    """

    pattern: str
    patients: dict[str, str]
    sure: bool


def parse_pattern(written: str) -> Pattern:
    """Return the pattern that a person wrote.

    Raises:
        DataError: it names the patient not once, or leaves open where one part ends.
    """
    text = written.strip().strip("/")
    if text.count(PATIENT_WORDS) != 1 or re.search(r"\*\*|\*\{patient\}|\{patient\}\*", text):
        raise DataError(
            f"“{written}” is no pattern for patients.",
            why="It must hold {patient} once, with a character between it and any “*”.",
            fix="Write it as in {patient}_* for p01_left.png, or {patient}/* for folders.",
            question="patient",
        )
    sided = text.endswith(SIDED)
    parts = text.removesuffix(SIDED).split("/")
    pieces = (re.split(r"(\*|\{patient\})", part) for part in parts)
    return Pattern(text, tuple(tuple(piece for piece in part if piece) for part in pieces), sided)


def guess_pattern(names: Sequence[str], labels: Mapping[str, str]) -> PatternGuess | None:
    """Return the likeliest pattern that sorts names into plausible patients, if any does.

    Groups that are the classes are no patients, nor are fewer than `LEAST_GROUPS`.
    """
    found: list[tuple[bool, int, PatternGuess]] = []
    for written in _USUAL:
        pattern = parse_pattern(written)
        patients = {n: p for n in names if (p := pattern.patient(n)) is not None}
        spoken = sum(bool(_PERSON.fullmatch(patient)) for patient in patients.values())
        if written == "{patient}_*" and 2 * spoken >= len(patients) >= 2 and spoken > 1:
            kept = {n: p for n, p in patients.items() if _PERSON.fullmatch(p)}
            if len(set(kept.values())) > 1 and not are_classes(kept, labels):
                return PatternGuess(written, kept, sure=True)
        if len(patients) < len(names) or not _plausible(patients, labels):
            continue
        groups = Counter(patients.values())
        long = sum(bool(re.search(r"\d{3,}", patient)) for patient in groups) > 0.9 * len(groups)
        rest = {posixpath.splitext(n.rpartition(p)[2])[0] for n, p in patients.items()}
        sides = all(plain_word(part) in SIDES for part in rest) or written.startswith("*patient")
        found.append((sides or long, -len(groups), PatternGuess(written, patients, sides or long)))
    return max(found, key=lambda each: each[:2])[2] if found else None


def _plausible(patients: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether groups may be patients: neither classes nor numbers counted anew in each."""
    kinds = Counter(patients.values())
    long = all(re.search(r"\d{5,}", patient) for patient in kinds)
    least = max(FEWEST_LONG if long else LEAST_GROUPS, len(patients) / MOST_A_GROUP)
    if not least <= len(kinds) < len(patients):
        return False
    files = {name: name.rpartition("/")[2] for name in patients}
    before = {(_before(files[name], patient), patient) for name, patient in patients.items()}
    again = Counter(files.values())
    if 1.5 * len(before) > len(patients) or 2 * len(again) <= len(patients):
        return False
    return not are_classes(patients, labels)


def are_classes(groups: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether groups of images are the classes under other names, but for a few images.

    They are where no more groups than classes are there, each of hardly more than one class.
    """
    pairs = Counter((group, labels[name]) for name, group in groups.items() if name in labels)
    kinds = {group for group, _ in pairs}
    if len(kinds) > len({label for _, label in pairs}):
        return False
    largest = Counter[str]()
    for (group, _), count in pairs.items():
        largest[group] = max(largest[group], count)
    return largest.total() >= SAME_SHARE * pairs.total()


def _before(file: str, patient: str) -> str:
    return file.partition(patient)[0] if patient in file else ""


def _fit(part: tuple[str, ...], text: str) -> tuple[bool, str | None]:
    """Return whether a folder's or file's name fits, and the patient in it.

    Each literal is sought where it first fits, which takes time in proportion to the name, whatever
    the pattern.
    """
    at, open_from, least, patient = 0, -1, 0, None
    is_patient = False

    def close(end: int) -> None:
        nonlocal patient
        if open_from >= 0 and is_patient:
            patient = text[open_from:end]

    for number, piece in enumerate(part):
        if piece in (PATIENT_WORDS, ANY):
            open_from, is_patient = at, piece == PATIENT_WORDS
            least = int(is_patient)
            continue
        if open_from < 0:
            start = 0 if text.startswith(piece) else -1
        elif number == len(part) - 1:
            start = len(text) - len(piece) if text.endswith(piece) else -1
        else:
            start = text.find(piece, at + least)
        if start < at + least:
            return False, None
        close(start)
        at, open_from, least = start + len(piece), -1, 0
    if open_from >= 0:
        close(len(text))
        return len(text) >= at + least, patient
    return at == len(text), patient
