"""A reading in the making: each decision narrows what the next one looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from imil.datasets.layout.reading import Decisions

# Choices of several questions.
NONE, ALL = "none", "all"


@dataclass(slots=True)
class Draft:
    """What was found so far.

    Attributes:
        decisions: what was answered and decided, with its evidence.
        names: files that still count as images, sorted.
        masks: files that are masks, with the image of each; None where none is known.
        left: files that are left out, and why.
        rows: rows of tables that are not taken, and why.
    """

    decisions: Decisions
    names: tuple[str, ...]
    masks: dict[str, str | None] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)

    def leave(self, why: Mapping[str, str]) -> None:
        """Leave files out, each with its reason."""
        self.left |= why
        self._without(why)

    def take_masks(self, masks: Mapping[str, str | None]) -> None:
        """Take files as masks, of the images that are named."""
        self.masks |= masks
        self._without(masks)

    def _without(self, files: Collection[str]) -> None:
        self.names = tuple(name for name in self.names if name not in files)
