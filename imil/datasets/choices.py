"""What a person picks before images are read: answers, a table, windows, and corners."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from imil.core.bounds import MOST_FRAMES, check_flag, check_text, check_whole
from imil.errors import DataError

# What columns can mean: each is a question of the reading.
MEANINGS = ("file", "label", "patient", "group", "split", "frame")
# Answers that are taken.
MOST_ANSWERS = 50
# The frame, slice or channel of a file with several: its number from 1, or the one in the middle.
MIDDLE: Literal["middle"] = "middle"
PickedFrame: TypeAlias = int | Literal["middle"]

_FRAME = re.compile(r"(?:frame )?0*([0-9]{1,7})(?::.*)?", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choices:
    """How images are to be read; the defaults take what can be told from the data.

    Attributes:
        answers: to questions of the reading, by their ids; see `imil.datasets.layout`.
        table_file: a table that lies elsewhere and is read alone; its names are relative to the
            data.
        preset: which view of a DICOM file, counted from 1; 0 for none.
        black_corners: whether text that seems to be burnt into corners is blacked out.
    """

    answers: tuple[tuple[str, str], ...] = ()
    table_file: Path | None = None
    preset: int = 1
    black_corners: bool = False

    def __post_init__(self) -> None:
        """Check the ranges; PlanError says which choice can't be."""
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
    def picked(self) -> PickedFrame | None:
        """The frame that is read of all files with several; None where none was picked."""
        return parse_frame(self.answered.get("frame", ""))

    @property
    def pixels(self) -> dict[str, PickedFrame | bool | None]:
        """Those that change pixels, by name: what is needed to read the same images again."""
        return {"frame": self.picked, "preset": self.preset, "black_corners": self.black_corners}

    @classmethod
    def of_pixels(cls, saved: Mapping[str, Any]) -> Choices:
        """Return choices that read pixels as those did whose `pixels` were saved."""
        others = {name: value for name, value in saved.items() if name != "frame"}
        frame = saved.get("frame")
        return cls(answers=() if frame is None else (("frame", str(frame)),), **others)


def parse_frame(written: str) -> PickedFrame | None:
    """Return the frame that is meant by “2”, “frame 2”, “frame 2: DAPI” or “middle”, else None."""
    if written.strip().lower() == MIDDLE:
        return MIDDLE
    found = _FRAME.fullmatch(written.strip())
    return int(found[1]) if found else None


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


def frame_alone(answers: Iterable[tuple[str, str]]) -> str:
    """Return the answer to “frame”, the one question about a data set of the Hub; "" if none.

    Raises:
        DataError: there are others.
    """
    given = dict(answers)
    frame = given.pop("frame", "")
    if given:
        raise DataError(
            f"A Hub data set asks no question “{min(given)}”.",
            why="Its columns are known, so the question “frame” is all that is answered.",
            fix="Take that answer back; the label's column is given with --hub-label.",
        )
    return frame


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
