"""How often the finding check warns: of masks on the finding it should, of masks on the marker not.

The demo's plan is trained on new films for each seed, with the demo's shortcut and without one.
Masked is each test film in which there is something to mask: its finding, and its marker. The check
is asked twice: before anything is masked elsewhere, and once two training films are. These are the
ones with a marker that the model is furthest from calling right, as a reader meets them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from imil.core.arms.registry import ArmInputs, control
from imil.core.images import ImageSet, working_image
from imil.core.records import Plan, Split
from imil.core.review.finding_check import LEAST_FALL, check_finding, has_evidence, names_absence
from imil.core.review.irrelevance import FEWEST_PAINTED, learn_irrelevance
from imil.core.review.masks import apply_blackout, working_region
from imil.core.training.fit import EpochReport, fit, initial_state, predict, restore
from imil.jobs.training.machine import versions
from imil.storage.local import write_atomic
from imil.study.library.demo_training import DEMO_PLAN
from imil.synthetic.films import CLASSES, FILMS_VERSION, FilmSpec, film_set, film_truth

CHECK_SCHEMA = 2
# The demo's, and none. The check was built on films of seeds 100 and 101.
CHECK_SHORTCUTS = (0.95, 0.5)
CHECK_SEEDS = (300, 301, 302)
# As the demo's.
IMAGES, SIDE = 1000, 192
FINDING, MARKER = "finding", "marker"
# What is aimed at: share of the masks that are warned of.
LEAST_ON_FINDING, MOST_ON_MARKER = 0.8, 0.05


@dataclass(frozen=True, slots=True)
class Warned:
    """One mask, and whether the check warned of it.

    Attributes:
        where: what it covers: `FINDING` or `MARKER`.
        label: the film's class.
        right: whether the model calls the film right as it is.
        falls: whether the black mask that the screen shows lowers the label by more than .10.
        warned: whether the check warns while nothing is masked elsewhere.
        later: whether it warns once `FEWEST_PAINTED` other films are masked.
    """

    where: str
    label: str
    right: bool
    falls: bool
    warned: bool
    later: bool


def measure_check(
    *,
    seeds: Sequence[int] = CHECK_SEEDS,
    shortcuts: Sequence[float] = CHECK_SHORTCUTS,
    images: int = IMAGES,
    plan: Plan = DEMO_PLAN,
    on_progress: Callable[[str, float, float | None], None] = lambda *_: None,
) -> dict[str, Any]:
    """Train, mask and ask; return the JSON of all of it.

    Args:
        seeds: each draws new films and trains a new model.
        shortcuts: share of the training films whose marker agrees with the label.
        images: training films; test films are 0.4 of them.
        plan: how to train, but for the seed.
        on_progress: told (step, share 0-1, seconds left or None) after each model.
    """
    torch.set_num_threads(1)
    began = time.process_time()
    settings: list[dict[str, Any]] = []
    for shortcut in shortcuts:
        masks: list[Warned] = []
        accuracy: list[float] = []
        for seed in seeds:
            done = (len(settings) * len(seeds) + len(accuracy)) / (len(shortcuts) * len(seeds))
            on_progress(f"shortcut {shortcut:g}, seed {seed}", done, None)
            spec = FilmSpec(images=images, size=SIDE, shortcut=shortcut, seed=seed)
            right, found = _measured(spec, replace(plan, seed=seed))
            accuracy.append(right)
            masks += found
        settings.append({"shortcut": shortcut, "test_accuracy": accuracy, "warned": _shares(masks)})
    return {
        "schema_version": CHECK_SCHEMA,
        "films_version": FILMS_VERSION,
        "seeds": list(seeds),
        "images": images,
        "plan": asdict(plan),
        "aims": {"least_on_finding": LEAST_ON_FINDING, "most_on_marker": MOST_ON_MARKER},
        "settings": settings,
        "seconds_of_one_core": round(time.process_time() - began, 1),
        "versions": versions(),
    }


def check_table(content: dict[str, Any]) -> str:
    """Return the shares as a Markdown table."""
    lines = [
        "| shortcut | masks | n | first masks: warned | from the third on | falls, blacked out |",
        "|---|---|---|---|---|---|",
    ]
    for setting in content["settings"]:
        for name, told in setting["warned"].items():
            cells = (f"{setting['shortcut']:g}", name, str(told["n"]))
            shares = tuple(_percent(told[share]) for share in ("warned", "later", "falls"))
            lines.append(f"| {' | '.join((*cells, *shares))} |")
    return "\n".join(lines) + "\n"


def write_check(content: dict[str, Any], out: Path) -> None:
    """Write `finding_check.json` and its table into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    told = json.dumps(content, indent=1) + "\n"
    write_atomic(out / "finding_check.json", told.encode())
    write_atomic(out / "finding_check.md", check_table(content).encode())


def _measured(spec: FilmSpec, plan: Plan) -> tuple[float, list[Warned]]:
    """Return test accuracy, and every mask of the test films."""
    films = film_set(spec)
    pixels = np.stack([_working(films.original(one.sample_id), plan) for one in films.samples])
    model, rows = _trained(films, pixels, plan), films.rows(Split.TEST)
    shares = _shares_of(model, pixels[rows])
    right = shares.argmax(1) == films.labels[rows]
    predictor = learn_irrelevance(pixels, _painted(spec, films, pixels, model), seed=plan.seed)
    masks: list[Warned] = []
    for row, before in zip(rows, shares, strict=True):
        confidence = predictor.confidence(pixels[row][None])[0]
        elsewhere = predictor.irrelevant(confidence).astype(np.float64)
        masks += _masks(spec, films, int(row), before, elsewhere, model, plan)
    return float(right.mean()), masks


def _painted(
    spec: FilmSpec, films: ImageSet, pixels: NDArray[np.uint8], model: nn.Module
) -> dict[int, NDArray[np.bool_]]:
    """Return the markers of the worst training films that have one, at working size, by row."""
    rows = films.rows(Split.TRAIN)
    own = _shares_of(model, pixels[rows])[np.arange(len(rows)), films.labels[rows]]
    painted: dict[int, NDArray[np.bool_]] = {}
    for row in rows[np.argsort(own, kind="stable")].tolist():
        _, marker = film_truth(spec, films.samples[row].sample_id)
        if marker.any():
            painted[row] = working_region(marker, size=pixels.shape[-1])
        if len(painted) == FEWEST_PAINTED:
            break
    return painted


def _masks(
    spec: FilmSpec,
    films: ImageSet,
    row: int,
    before: NDArray[np.float64],
    elsewhere: NDArray[np.float64],
    model: nn.Module,
    plan: Plan,
) -> Iterator[Warned]:
    sample = films.samples[row]
    label, original = sample.label, films.original(sample.sample_id)
    regions = film_truth(spec, sample.sample_id)
    for where, region in zip((FINDING, MARKER), regions, strict=True):
        if not region.any():
            continue
        hidden = _working(region.astype(np.uint8) * 255, plan)[0] / 255

        def warns(suggested: NDArray[np.float64] | None, hidden: Any = hidden) -> bool:
            return check_finding(
                _working(original, plan),
                hidden,
                before=float(before[label]),
                shares=lambda images: _shares_of(model, images)[:, label],
                rng=np.random.default_rng((spec.seed, row)),
                elsewhere=suggested,
            ).warns

        warned = has_evidence(CLASSES[label], before[label]) and warns(None)
        later = not names_absence(CLASSES[label]) and warns(elsewhere)
        black = _shares_of(model, _working(apply_blackout(original, region), plan)[None])[0]
        falls = bool(before[label] - black[label] > LEAST_FALL)
        right = bool(before.argmax() == label)
        yield Warned(where, CLASSES[label], right, falls, warned, later)


def _shares(masks: Sequence[Warned]) -> dict[str, dict[str, float]]:
    """Return how many masks of each kind there are, and how many are warned of."""
    on = {where: [one for one in masks if one.where == where] for where in (FINDING, MARKER)}
    kinds = {
        "finding": on[FINDING],
        "finding, on films called right": [one for one in on[FINDING] if one.right],
        "marker": on[MARKER],
        "marker, on films of a finding": [one for one in on[MARKER] if one.label == CLASSES[1]],
        "marker, on films of no finding": [one for one in on[MARKER] if one.label == CLASSES[0]],
        "marker, on films called wrong": [one for one in on[MARKER] if not one.right],
    }
    return {
        name: {
            "n": len(own),
            "warned": float(np.mean([one.warned for one in own])),
            "later": float(np.mean([one.later for one in own])),
            "falls": float(np.mean([one.falls for one in own])),
        }
        for name, own in kinds.items()
        if own
    }


def _trained(films: ImageSet, pixels: NDArray[np.uint8], plan: Plan) -> nn.Module:
    inputs = ArmInputs(
        plan=plan,
        images=pixels,
        labels=films.labels,
        classes=len(CLASSES),
        train=films.rows(Split.TRAIN),
        validation=films.rows(Split.VALIDATION),
        mirrored=films.mirrored,
    )
    state = initial_state(plan, classes=len(CLASSES), channels=1)
    for report in fit(plan, state, control(inputs), should_stop=lambda: False):
        if isinstance(report, EpochReport):
            state = report.state
    return restore(plan, state)


def _shares_of(model: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return (N, C) probabilities."""
    scores = predict(model, images).numpy().astype(np.float64)
    shares: NDArray[np.float64] = softmax(scores, axis=1)
    return shares


def _working(pixels: NDArray[Any], plan: Plan) -> NDArray[np.uint8]:
    return working_image(pixels, size=plan.size, channels=1)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
