"""What a person picks before images are read: answers, a table, frames, and corners."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imil.core.bounds import MOST_FRAMES, check_flag, check_text, check_whole
from imil.errors import DataError

# What columns can mean: each is a question of the reading.
MEANINGS = ("file", "label", "patient", "group", "split", "frame")
# Answers that are taken, and characters of one.
MOST_ANSWERS, MOST_WRITTEN = 50, 1000


@dataclass(frozen=True, slots=True)
class Choices:
    """How images are to be read; the defaults take what can be told from the data.

    Attributes:
        answers: to questions of the reading, by their ids; see `imil.datasets.layout`.
        table_file: a table that lies elsewhere and is read alone; its names are relative to the
            data.
        frame: of DICOM files with several, counted from 1; a table's column goes before it.
        preset: which view of a DICOM file, counted from 1; 0 for none.
        black_corners: whether text that seems to be burnt into corners is blacked out.
    """

    answers: tuple[tuple[str, str], ...] = ()
    table_file: Path | None = None
    frame: int | None = None
    preset: int = 1
    black_corners: bool = False

    def __post_init__(self) -> None:
        """Check the ranges; PlanError says which choice can't be."""
        if self.frame is not None:
            check_whole("frame", self.frame, 1, MOST_FRAMES)
        check_whole("view", self.preset, 0, MOST_FRAMES)
        check_flag("choice of black corners", self.black_corners)
        for key, written in self.answers[:MOST_ANSWERS]:
            check_text("question", key)
            check_text("answer", written)

    @property
    def answered(self) -> dict[str, str]:
        """Answers by question; the last one to a question counts."""
        return dict(self.answers[:MOST_ANSWERS])

    @property
    def pixels(self) -> dict[str, int | bool | None]:
        """Those that change pixels, by name: what is needed to read the same images again."""
        return {"frame": self.frame, "preset": self.preset, "black_corners": self.black_corners}


def parse_answers(written: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return answers that a person wrote as “label=column dx”, one each.

    Raises:
        DataError: one has no “=”.
    """
    pairs = [each.partition("=") for each in written]
    for key, sign, _ in pairs:
        if not sign or not key.strip():
            raise DataError(
                f"“{key}” is no answer.",
                why="An answer names its question and the choice, with “=” between them.",
                fix='Write it as in --answer "label=column diagnosis".',
            )
    return tuple((key.strip(), value.strip()) for key, _, value in pairs)


def parse_columns(written: str) -> tuple[tuple[str, str], ...]:
    """Return the answers in “file=image,label=dx”, which say what a table's columns mean.

    Raises:
        DataError: a part names no meaning of a column, or no file column is named.
    """
    parts = dict(part.partition("=")[::2] for part in written.split(","))
    named = {meaning.strip().lower(): name.strip() for meaning, name in parts.items()}
    if not set(named) <= set(MEANINGS) or not named.get("file"):
        raise DataError(
            f"“{written}” does not say what the columns mean.",
            why=f"Columns can mean {', '.join(MEANINGS)}, and file must be among them.",
            fix="Write it as in file=image,label=diagnosis,patient=id.",
        )
    return tuple((meaning, f"column {name}") for meaning, name in named.items() if name)
