"""What a person picks before images are read: which columns, patients, frames, and corners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imil.core.bounds import MOST_FRAMES, check_flag, check_text, check_whole
from imil.datasets.tables.table import Columns


@dataclass(frozen=True, slots=True)
class Choices:
    """How images are to be read; the defaults take what can be told from the data.

    Attributes:
        table: path inside the data of the table to read, where it isn't the likeliest one.
        table_file: a table that lies elsewhere; its file names are relative to the data.
        columns: what the table's columns mean; None guesses.
        patient_pattern: how file names name patients, see `imil.datasets.tables.patients`;
            None = they don't.
        frame: of DICOM files with several, counted from 1; a table's column goes before it.
        preset: which view of a DICOM file, counted from 1; 0 for none.
        black_corners: whether text that seems to be burnt into corners is blacked out.
    """

    table: str | None = None
    table_file: Path | None = None
    columns: Columns | None = None
    patient_pattern: str | None = None
    frame: int | None = None
    preset: int = 1
    black_corners: bool = False

    def __post_init__(self) -> None:
        """Check the ranges; PlanError says which choice can't be."""
        if self.frame is not None:
            check_whole("frame", self.frame, 1, MOST_FRAMES)
        check_whole("view", self.preset, 0, MOST_FRAMES)
        check_flag("choice of black corners", self.black_corners)
        for name, written in (("table", self.table), ("pattern", self.patient_pattern)):
            if written is not None:
                check_text(name, written)

    @property
    def pixels(self) -> dict[str, int | bool | None]:
        """Those that change pixels, by name: what is needed to read the same images again."""
        return {"frame": self.frame, "preset": self.preset, "black_corners": self.black_corners}
