"""Fast rounds: all stages of a net but the last stay as the first training left them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imil.core.backbones import Classifier, backbone
from imil.core.pictures import sent, taken, to_float

# (N, F, h, w): half of the room of float32, and rounded alike whether kept or made anew.
Features = NDArray[np.float16]
# Images of one pass that makes features, and of one that answers from them.
PART = 64
FAST_TOLD = (
    "Fast rounds: after the first training every arm trained the last stage and the head alone, on "
    "features of the frozen stages that were computed once, without the base augmentation."
)


class LastStage:
    """A classifier whose last stage and head alone are trained, on features of the others.

    Args:
        module: on its device; its other stages are frozen from now on.
        name: of its backbone.
        kept: features of every un-edited image of the study, read from disk as they are used.
    """

    def __init__(self, module: Classifier, name: str, kept: Features) -> None:
        self._module = module
        self._kept = kept
        self._early, self._late = module.split(backbone(name).last_stage)
        for parameter in self._early.parameters():
            parameter.requires_grad = False

    def train(self) -> None:
        """Put what is trained into training mode; frozen stages normalise as they learned to."""
        self._module.train()
        self._early.eval()

    def logits(self, images: Tensor, rows: NDArray[np.int64] | None) -> Tensor:
        """Return (B, classes) scores of a batch; what is shown edited is looked at anew.

        Args:
            images: (B, C, S, S) float32 in 0-1, as they are shown.
            rows: (B,) the row of each un-edited image, -1 for one that is edited; None where every
                image is.
        """
        known = np.zeros(len(images), np.bool_) if rows is None else rows >= 0
        if rows is None or not known.any():
            return self._answer(self._made(images))
        if known.all():
            return self._answer(self._of(rows, images.device))
        at = torch.from_numpy(np.flatnonzero(~known)).to(images.device)
        # Any row stands in where an image is edited, and is written over.
        maps = self._of(np.where(known, rows, rows[known][0]), images.device)
        maps[at] = self._made(images[at])
        return self._answer(maps)

    def predict(self, rows: NDArray[np.int64], device: str) -> Tensor:
        """Return (N, classes) float32 scores of un-edited images on the CPU, in eval mode."""
        self._module.eval()
        with torch.inference_mode():
            parts = [
                self._answer(self._of(rows[start : start + PART], torch.device(device))).float()
                for start in range(0, len(rows), PART)
            ]
            return torch.cat(parts).cpu().clone()

    def _of(self, rows: NDArray[np.int64], device: torch.device) -> Tensor:
        return sent(torch.from_numpy(self._kept[rows]), device).float()

    def _made(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            maps: Tensor = self._early(self._module.normalised(images))
            return maps.half().float()

    def _answer(self, maps: Tensor) -> Tensor:
        return self._module.answer(self._late(self._module.laid_out(maps)))


def features_of(
    module: Classifier,
    name: str,
    images: NDArray[np.uint8],
    *,
    device: str,
    should_stop: Callable[[], bool],
) -> Iterator[Features]:
    """Yield the features of every image, in order and part by part; fewer once asked to stop."""
    early, _ = module.eval().split(backbone(name).last_stage)
    with torch.inference_mode():
        for start in range(0, len(images), PART):
            if should_stop():
                return
            rows = np.arange(start, min(start + PART, len(images)))
            part = to_float(taken(images, rows, torch.device(device)))
            yield early(module.normalised(part)).half().cpu().numpy()
