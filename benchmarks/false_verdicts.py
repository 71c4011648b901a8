"""How often a verdict is false: simulated studies whose arms do nothing, judged as real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from imil.core.arms.variants import IMIL
from imil.core.evaluation.differences import DrawnDifference, drawn_together
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.verdict import DrawnChanges, Verdict, decide_all
from imil.core.records import Arm

# The two arms that are named beforehand; both are control over again.
NAMED = (IMIL.arm, Arm.PROPAGATED)
SEEDS = 5
# Of the simulated models: accuracy; how much of an answer is the image's and its patient's own
# (variances, the rest is the training's); and how far a region of the same or another class moves
# an answer. About what the benchmarks on radiographs show.
ACCURACY = 0.85
OF_IMAGE, OF_PATIENT, LEAN = 0.5, 0.2, 0.3
# How much the two arms' trainings have in common, as a correlation.
IN_COMMON = 0.7
# Copies with a region of the same class, and as many of others, as a probe has.
COPIES = 2
# Studies that are simulated at once (memory).
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class World:
    """One kind of study.

    Attributes:
        images: test images.
        a_patient: images of each patient.
        classes: how many.
        spread: standard deviation of a model's accuracy over seeds, points.
    """

    images: int
    a_patient: int
    classes: int
    spread: float

    @property
    def clusters(self) -> NDArray[np.int64]:
        """Return (N,) patient numbers."""
        return np.arange(self.images) // self.a_patient

    @property
    def labels(self) -> NDArray[np.int64]:
        """Return (N,) class indices: those of the patients, two of three of the first class."""
        return np.where(self.clusters % 3 < 2, 0, 1 + self.clusters // 3 % (self.classes - 1))


WORLDS = tuple(
    World(images, a_patient, classes, spread)
    for classes, images, a_patient, spread in (
        *product((2,), (200, 600), (1, 4), (0.0, 2.0, 5.0)),
        *product((3,), (200, 600), (4,), (0.0, 2.0, 5.0)),
    )
)


def simulate(
    world: World, *, studies: int, draws: int, seed: int
) -> Iterator[dict[Arm, DrawnChanges]]:
    """Yield the drawn differences of both arms to control, study by study.

    Args:
        world: which kind.
        studies: how many.
        draws: of each bootstrap.
        seed: of all that is random in the studies.
    """
    rng = np.random.default_rng(seed)
    labels, clusters = world.labels, world.clusters
    for start in range(0, studies, _AT_ONCE):
        right, independent = _models(world, min(_AT_ONCE, studies - start), rng)
        gains = np.stack([_against_control(right), _against_control(independent)], axis=2)
        flat = gains.reshape(-1, SEEDS, world.images)
        drawn = iter(drawn_together(flat, labels, clusters, draws=draws))
        for _ in range(len(gains)):
            yield {arm: _changes(next(drawn), next(drawn)) for arm in NAMED}


def false_verdicts(
    worlds: Sequence[World] = WORLDS,
    *,
    studies: int = 1000,
    draws: int = 2000,
    seed: int = 0,
    on_progress: Callable[[str, float, float | None], None] = lambda *_: None,
) -> dict[str, Any]:
    """Return how often each verdict was said in each world, as JSON values.

    Args:
        worlds: kinds of studies.
        studies: of each kind.
        draws: of each bootstrap; fewer than a real comparison's make an interval less certain and
            no wider.
        seed: of the first world's studies; the next world has the next.
        on_progress: told (step, share 0-1, nothing) before each world.
    """
    rows = []
    for place, world in enumerate(worlds):
        on_progress(f"{world.images} images", place / len(worlds), None)
        said: Counter[Verdict] = Counter()
        any_of: Counter[Verdict] = Counter()
        for drawn in simulate(world, studies=studies, draws=draws, seed=seed + place):
            found = decide_all(drawn, recommended=NAMED[1], seeds=SEEDS)
            words = [each.verdict for each in found.values()]
            said.update(words)
            any_of.update(set(words))
        rows.append(
            {
                **asdict(world),
                "of_an_arm": {v.value: said[v] / (len(NAMED) * studies) for v in Verdict},
                "of_a_study": {v.value: any_of[v] / studies for v in Verdict},
            }
        )
    return {"studies": studies, "draws": draws, "seed": seed, "worlds": rows}


def verdicts_table(content: Mapping[str, Any]) -> str:
    """Return the shares as Markdown."""
    head = ("images", "a patient", "classes", "seed spread", "helps", "trade-off", "harmful")
    lines = [f"| {' | '.join([*head, 'a study: helps', 'harmful'])} |", "|---" * 9 + "|"]
    for row in content["worlds"]:
        arm, study = row["of_an_arm"], row["of_a_study"]
        shares = [
            *(arm[each] for each in (Verdict.HELPS, Verdict.TRADE_OFF, Verdict.HARMFUL)),
            *(study[each] for each in (Verdict.HELPS, Verdict.HARMFUL)),
        ]
        cells = [row["images"], row["a_patient"], row["classes"], f"{row['spread']:g}"]
        cells += [f"{100 * share:.1f} %" for share in shares]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _models(
    world: World, studies: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (B, 3, S, N): whether control and both arms are right, and what that counts.

    An answer is right where a sum of normal parts is below a bound: parts of the image, its patient
    and the training, and a shift that a training has as a whole, by which seeds differ.
    """
    models = (studies, 1 + len(NAMED), SEEDS)
    image = rng.normal(size=(studies, 1, 1, world.images)) * np.sqrt(OF_IMAGE)
    patient = rng.normal(size=(studies, 1, 1, world.images)) * np.sqrt(OF_PATIENT)
    own = np.sqrt(1 - OF_IMAGE - OF_PATIENT)
    trained = own * _related(rng.normal(size=(*models, world.images)), rng)
    bound = norm.ppf(ACCURACY)
    slope = 100 * norm.pdf(bound)  # points of accuracy for a shift of 1
    shift = _related(rng.normal(size=(*models, 1)), rng) * world.spread / slope
    lean = LEAN + _related(rng.normal(size=(*models, 1)), rng) * world.spread / slope
    answer = image + patient[..., world.clusters] + trained + shift
    right = (answer < bound).astype(np.float64)

    def copies(sign: int) -> NDArray[np.float64]:
        again = [answer + sign * lean + own * rng.normal(size=answer.shape) for _ in range(COPIES)]
        found: NDArray[np.float64] = np.mean([each < bound for each in again], axis=0)
        return found

    part = (world.classes - 1) / world.classes
    return right, right - part * (copies(-1) - copies(1))


def _related(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (B, 3, …) normal values of which those of the two arms have much in common."""
    shared = rng.normal(size=values[:, :1].shape)
    arms = np.sqrt(IN_COMMON) * shared + np.sqrt(1 - IN_COMMON) * values[:, 1:]
    return np.concatenate([values[:, :1], arms], axis=1)


def _against_control(counted: NDArray[np.float64]) -> NDArray[np.float64]:
    return counted[:, 1:] - counted[:, :1]


def _changes(
    right: Mapping[Metric, DrawnDifference], independent: Mapping[Metric, DrawnDifference]
) -> DrawnChanges:
    return DrawnChanges(independent[Metric.BALANCED_ACCURACY], right)
