"""How well a few painted masks predict others, with and without a pretrained network's stages."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from imil.core.review.irrelevance import (
    IrrelevancePredictor,
    PredictionKind,
    dice,
    features_of,
    learn_irrelevance,
    predict_in_batches,
)
from imil.jobs.training.machine import versions
from imil.storage.local import write_atomic

PIXEL_MODEL_SCHEMA = 1
NUMBERS_PAINTED = (10, 20, 40, 80)
# Images whose masks a study predicts, of which the time is told.
_A_STUDY = 1500
_TIMED = 64


@dataclass(frozen=True, slots=True, eq=False)
class Outlined:
    """(N, 3, S, S) uint8 images and (N, S, S) what is irrelevant in them, True = hide."""

    pixels: NDArray[np.uint8]
    irrelevant: NDArray[np.bool_]


def outlined(folder: Path, count: int, *, size: int, seed: int) -> Outlined:
    """Return a random draw of a folder's images that have a reference mask.

    Args:
        folder: with a `metadata.csv` whose column relevant_file_name is filled.
        count: how many, or all where there are fewer.
        size: S, px.
        seed: of the draw.
    """
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table) if row.get("relevant_file_name")]
    drawn = np.random.default_rng(seed).permutation(len(rows))[:count]
    pixels: list[NDArray[np.uint8]] = []
    hidden: list[NDArray[np.bool_]] = []
    square = (size, size)
    for row in (rows[at] for at in drawn):
        with (
            Image.open(folder / row["file_name"]) as image,
            Image.open(folder / row["relevant_file_name"]) as region,
        ):
            small = image.convert("RGB").resize(square, Image.Resampling.BILINEAR)
            relevant = region.convert("L").resize(square, Image.Resampling.NEAREST)
            pixels.append(np.asarray(small).transpose(2, 0, 1))
            hidden.append(np.asarray(relevant) < 128)  # white = relevant
    return Outlined(np.stack(pixels), np.stack(hidden))


def measure_pixel_model(
    painted: Outlined,
    others: Mapping[str, Outlined],
    stages: nn.Module,
    *,
    numbers: Sequence[int] = NUMBERS_PAINTED,
    draws: int = 3,
    on_progress: Callable[[str, float, float | None], None] = lambda *_: None,
) -> dict[str, Any]:
    """Return the JSON of the Dice of the relevant region, by who is asked and how many are painted.

    Args:
        painted: of which some are painted at random.
        others: by name, images on which is measured.
        stages: of a pretrained network.
        numbers: of painted images.
        draws: of painted images.
        on_progress: told (step, share 0-1, seconds left or None).
    """
    torch.set_num_threads(1)
    figures: list[dict[str, Any]] = []
    seconds: dict[str, float] = {}
    for name, through in (("own features", None), ("and pretrained stages", stages)):
        seen = {where: features_of(each.pixels, through) for where, each in others.items()}
        for number in numbers:
            predictors: list[IrrelevancePredictor] = []
            began = time.process_time()
            for draw in range(draws):
                on_progress(f"{name}, {number} painted", 0, None)
                predictors.append(_learned(painted, number, draw, through))
            learning = (time.process_time() - began) / draws
            for where, each in others.items():
                found = [
                    float(dice(~p.irrelevant(p.of_features(seen[where])), ~each.irrelevant).mean())
                    for p in predictors
                ]
                figures.append(
                    {
                        "features": name,
                        "painted": number,
                        "images": where,
                        "n": len(each.pixels),
                        "dice": found,
                        "agreement": [p.agreement[PredictionKind.PIXEL_MODEL] for p in predictors],
                        "kinds": [str(p.kind) for p in predictors],
                        "seconds_learning": learning,
                    }
                )
        seconds[name] = learning + _predicting(predictors[0], painted)
    return {
        "schema_version": PIXEL_MODEL_SCHEMA,
        "size": int(painted.pixels.shape[-1]),
        "draws": draws,
        "figures": figures,
        "seconds_of_one_core_a_study": seconds,
        "versions": versions(),
    }


def pixel_model_table(content: Mapping[str, Any]) -> str:
    """Return mean Dice as a Markdown table."""
    figures = content["figures"]
    numbers = sorted({each["painted"] for each in figures})
    head = " | ".join(f"{number} painted" for number in numbers)
    lines = [f"| images | features | {head} |", "|---|---|" + "---|" * len(numbers)]
    for where in dict.fromkeys(each["images"] for each in figures):
        for name in dict.fromkeys(each["features"] for each in figures):
            own = {
                each["painted"]: each["dice"]
                for each in figures
                if each["images"] == where and each["features"] == name
            }
            cells = " | ".join(f"{np.mean(own[n]):.3f}".removeprefix("0") for n in numbers)
            lines.append(f"| {where} | {name} | {cells} |")
    return "\n".join(lines) + "\n"


def write_pixel_model(content: Mapping[str, Any], out: Path) -> None:
    """Write `pixel_model.json` and its table into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "pixel_model.json", (json.dumps(content, indent=1) + "\n").encode())
    write_atomic(out / "pixel_model.md", pixel_model_table(content).encode())


def _learned(
    painted: Outlined, number: int, draw: int, stages: nn.Module | None
) -> IrrelevancePredictor:
    rows = np.random.default_rng([draw, number]).permutation(len(painted.pixels))[:number]
    masks = {int(row): painted.irrelevant[row] for row in rows}
    return learn_irrelevance(painted.pixels, masks, seed=draw, stages=stages)


def _predicting(predictor: IrrelevancePredictor, painted: Outlined) -> float:
    """Return the seconds of one core that predicting a study's images would take."""
    rows, began = np.arange(min(_TIMED, len(painted.pixels))), time.process_time()
    for _ in predict_in_batches(predictor, painted.pixels, rows):
        pass
    return (time.process_time() - began) / len(rows) * _A_STUDY
