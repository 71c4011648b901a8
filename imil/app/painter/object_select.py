"""Select asks a model which object is meant, where the app has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from imil.app.painter.painter import MAX_PAINTED_PIXELS, found_value
from imil.app.server.input_checks import event_value
from imil.app.server.rates import Cost, costs
from imil.app.server.updates import QUIET_EVENT, Updates
from imil.core.bounds import check_number, check_text
from imil.core.records import Pixels
from imil.errors import ImilError, PlanError
from imil.models.objects import ObjectModel
from imil.study.library.studies import Studies

# Of a window, beyond all stored values: half a window may lie outside them.
_FURTHEST = 131_072


@dataclass(frozen=True, slots=True, eq=False)
class ObjectSelect:
    """The callback of Select, where a model answers."""

    studies: Studies
    painter: gr.HTML
    model: ObjectModel

    def wire(self) -> None:
        """Attach the callback to the painter."""
        self.painter.select(
            self.find, None, self.painter, trigger_mode="always_last", **QUIET_EVENT
        )

    @costs(Cost.ASK)
    def find(self, event: gr.EventData) -> Updates:
        """Say which pixels are the object, or why the model can't."""
        asked = event_value(event, "asked", dict)
        study_id, sample_id, ask_id = (
            check_text(name, asked.get(name)) for name in ("study", "sample", "id")
        )
        try:
            spot = _numbers(asked, "spot", 0, MAX_PAINTED_PIXELS)
            low, high = _numbers(asked, "window", -_FURTHEST, _FURTHEST)[:2]
            pixels = self.studies.open(study_id).images.original(sample_id)
            region = self.model.find(_seen(pixels, low, high), spot)
        except ImilError as error:
            found = found_value(ask_id, None, why=str(error))
        else:
            found = found_value(ask_id, region)
        return {self.painter: gr.update(found=found)}


def _numbers(asked: dict[str, Any], name: str, least: int, most: int) -> tuple[float, ...]:
    """Return two or four numbers of what the page sent; PlanError for anything else."""
    values = asked.get(name)
    if not isinstance(values, list) or len(values) not in {2, 4}:
        raise PlanError(
            f"What the page sent as {name} can't be read.",
            why="It is a point or a box.",
            fix="Reload the page, and try again.",
        )
    return tuple(check_number(name, value, least, most) for value in values)


def _seen(pixels: Pixels, low: float, high: float) -> NDArray[np.uint8]:
    """Return an image through a window, as the painter shows it."""
    part = (pixels.astype(np.float32) - low) / max(1.0, high - low)
    seen: NDArray[np.uint8] = np.round(np.clip(part, 0, 1) * 255).astype(np.uint8)
    return seen
