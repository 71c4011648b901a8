"""Hypotheses of what the labels are, scored by what speaks for each, and the best one picked."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from imil.datasets.layout.words import CLASS_WORDS, class_share, has

# A candidate is taken when nothing else comes this near, and its own evidence is that strong.
# Two columns that are both called labels are asked about at a larger distance.
_MARGIN, NAMED_MARGIN, ENOUGH = 1.0, 1.5, 3.0
# More labels than this are names or free text; numbers beyond the second are measured.
MOST_CLASSES, MOST_NUMBERS = 100, 12
# Share of the labels that may have one image each, save among a few images.
MOST_ALONE, _FEW = 0.5, 8
_SIGNS = re.compile(r"\s*[|;]\s*")


@dataclass(frozen=True, slots=True)
class LabelHypothesis:
    """A hypothesis of the labels.

    Attributes:
        choice: how a person picks it.
        told: the evidence, as a sentence's beginning.
        values: the label of each file that has one.
        score: coverage of the images counts 3, a name that says “label” 3, words of findings 1.5.
        where: what it was taken from: candidates of one place do not confirm each other.
        family: of columns of which none is the label more than others; "" for one alone.
        atoms: single labels, where cells hold several.
        left: files without a label, with the reason.
        rows: notes on rows that were pooled.
        named: whether it is called a label.
        empty: files whose cell is empty.
    """

    choice: str
    told: str
    values: Mapping[str, str]
    score: float
    where: str
    family: str = ""
    atoms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    named: bool = False
    empty: frozenset[str] = frozenset()

    @property
    def column(self) -> str:
        """The title of the column it was taken from; "" where it was taken from none."""
        return self.where.removeprefix("column ") if self.where.startswith("column ") else ""


def plausibility(values: Mapping[str, str], images: int, *, atoms: int = 0) -> float | None:
    """Return how much values look like the labels of images; None where they can't be."""
    counts = Counter(values.values())
    kinds = atoms or len(counts)
    if len(counts) < 2 or kinds > MOST_CLASSES:
        return None
    if not atoms and len(counts) > max(10, len(values) // 2):
        return None
    if not atoms and len(counts) > MOST_NUMBERS and all(map(reads_as_number, counts)):
        return None
    alone = sum(count == 1 for count in counts.values()) / len(counts)
    if not atoms and alone > MOST_ALONE and len(values) > _FEW:
        return None
    lonely = 0.0 if atoms or len(values) <= _FEW else alone
    return 3 * len(values) / max(images, 1) - lonely + 1.5 * class_share(counts)


def rank_hypotheses(candidates: Sequence[LabelHypothesis]) -> list[LabelHypothesis]:
    """Return candidates, the likeliest first; those that others confirm gain by it."""
    confirmed = [
        replace(one, score=one.score + 1)
        if any(_confirms(other, one) for other in candidates)
        else one
        for one in candidates
    ]
    return sorted(confirmed, key=lambda one: (-round(one.score, 3), _digits(one), one.choice))


def _confirms(other: LabelHypothesis, one: LabelHypothesis) -> bool:
    # How files are called goes by where they come from as well.
    return other.where not in (one.where, "file names") and same(one, other)


def clear(ranked: Sequence[LabelHypothesis]) -> LabelHypothesis | None:
    """Return the first candidate if no other one that says something else comes near it."""
    if not ranked or ranked[0].score < ENOUGH:
        return None
    best = ranked[0]
    if best.where == "file names" and class_share(set(best.values.values())) < 1:
        return None
    for other in ranked[1:]:
        margin = NAMED_MARGIN if best.named and other.named else _MARGIN
        near = other.score > best.score - margin
        if near and not same(best, other):
            return None
    if best.family and sum(other.family == best.family for other in ranked) > 1:
        return None
    return best


def same(one: LabelHypothesis, other: LabelHypothesis) -> bool:
    """Return whether two candidates part the images alike, whatever they call the parts."""
    shared = one.values.keys() & other.values.keys()
    if len(shared) < 0.9 * max(len(one.values), len(other.values)):
        return False
    pairs = {(one.values[name], other.values[name]) for name in shared}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) > 1


def in_one_spelling(values: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return labels that differ in case, blanks or underscores alone as one; and a note of each."""
    kinds: dict[str, Counter[str]] = {}
    for value, count in Counter(values.values()).items():
        folded = re.sub(r"[\s_]+", " ", value).strip().casefold()
        kinds.setdefault(folded, Counter())[value] += count
    joined: dict[str, str] = {}
    notes = []
    for spelled in kinds.values():
        usual = min(spelled, key=lambda value: (-spelled[value], value))
        joined |= dict.fromkeys(spelled, usual)
        if len(spelled) > 1:
            others = ", ".join(f"“{value}”" for value in sorted(spelled) if value != usual)
            notes.append(f"“{usual}” is also spelled {others}: taken as one label.")
    return {name: joined[value] for name, value in values.items()}, notes


def atoms_of(values: Mapping[str, str], sign: str = "") -> dict[str, tuple[str, ...]]:
    """Return the single labels of each cell, where cells hold several; else nothing.

    Cells are lists as Python writes them, or parted by “|” or “;”, or by commas where the parts
    stand alone in other cells. A person may say by which sign.
    """
    cells = set(values.values())
    if sign:
        parts = {
            c: tuple(dict.fromkeys(p for q in c.split(sign) if (p := q.strip()))) for c in cells
        }
        return {name: parts[value] for name, value in values.items() if parts[value]}
    parted = {cell: _parts(cell, cells) for cell in cells}
    if all(len(parts) < 2 for parts in parted.values()):
        return {}
    atoms = {atom for parts in parted.values() for atom in parts}
    alone = {parts[0] for parts in parted.values() if len(parts) == 1}
    if len(atoms) >= len(cells) and len(alone & atoms) < len(atoms) / 2:
        return {}
    return {name: parted[value] for name, value in values.items()}


def _parts(cell: str, cells: set[str]) -> tuple[str, ...]:
    if cell.startswith("[") and cell.endswith("]"):
        try:
            parts = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            parts = [part.strip(" '\"") for part in cell[1:-1].split(",")]
        return tuple(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))
    parts = [part.strip() for part in _SIGNS.split(cell)]
    if len(parts) == 1 and "," in cell:
        by_comma = [part.strip() for part in cell.split(",")]
        if all(part in cells for part in by_comma):
            parts = by_comma
    return tuple(dict.fromkeys(part for part in parts if part))


def _digits(one: LabelHypothesis) -> bool:
    """Return whether labels are numbers or yes and no, which say less than words."""
    labels = set(one.values.values())
    return not all(re.search(r"[^\W\d_]{2,}", label) for label in labels) or (
        not any(has(label, CLASS_WORDS) for label in labels)
        and {label.lower() for label in labels} <= {"true", "false"}
    )


def reads_as_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
