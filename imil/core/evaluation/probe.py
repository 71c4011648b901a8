"""What a trained classifier is asked besides un-edited images, to see what it relies on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from imil.core.evaluation.metrics import Explanation
from imil.core.nets.backbones import Classifier
from imil.core.nets.saliency import EXPLAINERS, Explainer, pointing_game, wrong_reason_share
from imil.core.review.swaps import draw_donors, draw_fitting_donors, swap_region
from imil.core.training.fit import predict
from imil.errors import PlanError

# Copies of each image, the irrelevant region of each from another donor. Our choice.
SWAPS = 3
# Images of a split that are explained: integrated gradients cost 20 to 30 passes each. Our choice.
EXPLAINED = 64
# Copies of each image with donors of its class, and as many of others. Our choice.
CONTRASTS = 2
# Images edited at once (memory).
PART = 512


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Questions to every arm of a comparison, the same for each.

    Attributes:
        rows: (R,) images to ask about, of validation and test.
        donors: (M, R) rows whose pixels replace the irrelevant region, of the same split.
        regions: (R, S, S) bool, the irrelevant region of each.
        explained: (E,) places in `rows` of the images whose saliency is taken; may be empty.
        contrasted: (V,) places in `rows` of the images that are also swapped with donors of their
            own class and of others, of the same split: all, and in a probe of an older version
            those of validation alone.
        same: (K, V) rows of donors of the image's own class.
        other: (K, V) rows of donors of another class.
    """

    rows: NDArray[np.int64]
    donors: NDArray[np.int64]
    regions: NDArray[np.bool_]
    explained: NDArray[np.int64]
    contrasted: NDArray[np.int64]
    same: NDArray[np.int64]
    other: NDArray[np.int64]

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where these rows stand in `rows`; each must be asked about."""
        order = np.argsort(self.rows)
        return order[np.searchsorted(self.rows, rows, sorter=order)]


@dataclass(frozen=True, slots=True, eq=False)
class ProbeAnswers:
    """One classifier's answers to a probe.

    Attributes:
        swapped: (M, R, C) float32 scores of the copies.
        same: (K, V, C) float32 scores of the copies with donors of the same class.
        other: (K, V, C) float32 scores of those with donors of another class.
        explained: (E,) float64 a figure of each explainer, NaN where a map is zero everywhere; an
            explainer that can't explain this classifier is left out.
    """

    swapped: NDArray[np.float32]
    same: NDArray[np.float32]
    other: NDArray[np.float32]
    explained: Mapping[tuple[Explainer, Explanation], NDArray[np.float64]] = field(
        default_factory=dict
    )


def draw_probe(
    regions: Mapping[int, NDArray[np.bool_]],
    labels: NDArray[np.int64],
    *,
    validation: NDArray[np.int64],
    test: NDArray[np.int64],
    explain: bool,
    seed: int,
) -> Probe | None:
    """Return the questions for images of some splits; None if no two of a split have a region.

    Args:
        regions: from a row to its irrelevant region, (S, S); others are not asked about.
        labels: (N,) class indices of the whole study.
        validation: rows of that split; donors are of the same split.
        test: rows of that one.
        explain: whether saliency is asked for, on `EXPLAINED` images of each split.
        seed: of donors and of the choice of images.
    """
    rng = np.random.default_rng(seed)
    rows: list[NDArray[np.int64]] = []
    donors: list[NDArray[np.int64]] = []
    explained: list[NDArray[np.int64]] = []
    for split in (validation, test):
        asked = np.array([row for row in split if row in regions], np.int64)
        if len(asked) < 2:  # an image and its donor
            continue
        before = sum(len(part) for part in rows)
        rows.append(asked)
        copies = [_fitting(asked, asked, regions, rng) for _ in range(SWAPS)]
        donors.append(np.stack(copies))
        if explain:
            explained.append(before + np.sort(rng.permutation(len(asked))[:EXPLAINED]))
    if not rows:
        return None
    every = np.concatenate(rows)
    contrasts = [_contrasts(part, labels, regions, rng) for part in rows]
    return Probe(
        rows=every,
        donors=np.concatenate(donors, axis=1),
        regions=_stacked(regions, every),
        explained=np.concatenate(explained) if explained else np.empty(0, np.int64),
        contrasted=np.arange(len(every)),
        same=np.concatenate([same for same, _ in contrasts], axis=1),
        other=np.concatenate([other for _, other in contrasts], axis=1),
    )


def _contrasts(
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    regions: Mapping[int, NDArray[np.bool_]],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (CONTRASTS, V) donors of each row's own class, and as many of others.

    The only image of its class is its own donor: nothing else is like it.
    """
    same, other = (np.empty((CONTRASTS, len(rows)), np.int64) for _ in range(2))
    for label in np.unique(labels[rows]):
        places = np.flatnonzero(labels[rows] == label)
        mine, theirs = rows[places], rows[labels[rows] != label]
        for copy in range(CONTRASTS):
            alone = len(mine) == 1
            same[copy, places] = mine if alone else _fitting(mine, mine, regions, rng)
            other[copy, places] = _fitting(mine, theirs, regions, rng) if len(theirs) else mine
    return same, other


def _fitting(
    rows: NDArray[np.int64],
    candidates: NDArray[np.int64],
    regions: Mapping[int, NDArray[np.bool_]],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return a donor for each row whose own irrelevant region covers enough of the row's."""
    parts = [rows[start : start + PART] for start in range(0, len(rows), PART)]
    found = [
        draw_fitting_donors(
            _stacked(regions, part),
            lambda places, part=part: draw_donors(part[places], candidates, rng),  # type: ignore[misc]
            lambda donors: _stacked(regions, donors),
        )
        for part in parts
    ]
    return np.concatenate(found)


def _stacked(
    regions: Mapping[int, NDArray[np.bool_]], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    return np.stack([regions[int(row)] for row in rows])


def answer_probe(
    module: Classifier, images: NDArray[np.uint8], probe: Probe, *, device: str = "cpu"
) -> ProbeAnswers:
    """Return the classifier's answers.

    Args:
        module: a trained classifier, where `device` is; left in eval mode.
        images: (N, C, S, S) uint8, the whole study; read from disk as it is used.
        probe: what to ask.
        device: "cpu" or "cuda".
    """
    everywhere = np.arange(len(probe.rows))

    def swapped(places: NDArray[np.int64], donors: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([_swapped(module, images, probe, places, copy, device) for copy in donors])

    shown = images[probe.rows[probe.explained]]
    return ProbeAnswers(
        swapped(everywhere, probe.donors),
        swapped(probe.contrasted, probe.same),
        swapped(probe.contrasted, probe.other),
        _explained(module, shown, probe.regions[probe.explained], device),
    )


def _swapped(
    module: Classifier,
    images: NDArray[np.uint8],
    probe: Probe,
    places: NDArray[np.int64],
    donors: NDArray[np.int64],
    device: str,
) -> NDArray[np.float32]:
    """Return (n, C) scores of the images at these places of the probe, each with its donor."""
    scores = []
    for start in range(0, len(places), PART):
        part, lent = places[start : start + PART], images[donors[start : start + PART]]
        # Donors are of the same split, and so asked about themselves.
        theirs = probe.regions[probe.places(donors[start : start + PART])]
        edited = swap_region(images[probe.rows[part]], probe.regions[part], lent, theirs)
        scores.append(predict(module, edited, device=device).numpy())
    classes = module.head.out_features
    return np.concatenate([np.empty((0, classes), np.float32), *scores])


def _explained(
    module: Classifier, images: NDArray[np.uint8], irrelevant: NDArray[np.bool_], device: str
) -> dict[tuple[Explainer, Explanation], NDArray[np.float64]]:
    found: dict[tuple[Explainer, Explanation], NDArray[np.float64]] = {}
    if not len(images):
        return found
    for explainer, explain in EXPLAINERS.items():
        try:
            maps = explain(module, images, device=device)
        except PlanError:  # such as Grad-CAM on feature maps of one cell: no figure is no harm
            continue
        found[explainer, Explanation.WRONG_REASON_SHARE] = wrong_reason_share(maps, irrelevant)
        found[explainer, Explanation.POINTING_GAME] = pointing_game(maps, ~irrelevant)
    return found
