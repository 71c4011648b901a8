"""Compare rules that find wrong labels, ours and cleanlab's, on films where they are known.

`pip install cleanlab`, then `python -m benchmarks.label_suspects`; it writes its figures into
`benchmarks/results/label_suspects.json` and prints them as a table.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from scipy.special import softmax

from imil.core.arms.registry import ArmInputs, control
from imil.core.evaluation.comparison import clusters_of
from imil.core.records import Plan, Split
from imil.core.review.queues import allowed_masks, label_suspects
from imil.core.training.dynamics import fill_gaps
from imil.core.training.fit import EpochReport, fit, initial_state, predict, restore
from imil.core.training.folds import make_folds
from imil.synthetic.films import FILMS_VERSION, FilmSpec, film_set

RESULTS = Path(__file__).parent / "results" / "label_suspects.json"
# Shortcut and label noise. Each seed draws new films.
SETTINGS = ((0.5, 0.04), (0.95, 0.04), (0.95, 0.1))
SEEDS = (0, 1, 2, 3, 4)
IMAGES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What trained models say of N training films.

    Attributes:
        epochs: (E, N, C) logits recorded while one model trained on all of them.
        trained: (N, C) logits of that model at the end.
        held_out: (N, C) logits of models that have not seen the film.
    """

    epochs: NDArray[np.float32]
    trained: NDArray[np.float32]
    held_out: NDArray[np.float32]


# From logits and labels to the suspected rows, most suspect first.
Rule = Callable[[Scores, NDArray[np.int64]], list[int]]


def ours(of: str, scores: Scores, labels: NDArray[np.int64]) -> list[int]:
    """Return the rows of the queue `label_suspect`."""
    logits = torch.from_numpy(getattr(scores, of))
    names = [str(row) for row in range(len(labels))]
    return [int(offer.sample_id) for offer in label_suspects(logits, labels, names)]


def cleanlab(of: str, how: str, scores: Scores, labels: NDArray[np.int64]) -> list[int]:
    """Return the rows that cleanlab suspects, by its rule `how`."""
    probabilities = softmax(getattr(scores, of).astype(np.float64), axis=-1)
    if probabilities.ndim == 3:
        probabilities = probabilities.mean(0)
    found = find_label_issues(
        labels,
        probabilities,
        filter_by=how,
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return [int(row) for row in found]


RULES: Mapping[str, Rule] = {
    "ours, scores while training": partial(ours, "epochs"),
    "ours, out-of-fold": partial(ours, "held_out"),
    **{
        f"cleanlab {how}, {words}": partial(cleanlab, of, how)
        for how in ("prune_by_noise_rate", "confident_learning")
        for of, words in (
            ("held_out", "out-of-fold"),
            ("trained", "in-sample"),
            ("epochs", "scores while training"),
        )
    },
}


def measure(shortcut: float, noise: float, seed: int) -> dict[str, dict[str, float]]:
    """Return precision and recall of each rule, of the whole list and of its first 4 %."""
    films = film_set(FilmSpec(images=IMAGES, shortcut=shortcut, label_noise=noise, seed=seed))
    rows = films.rows(Split.TRAIN)
    labels = films.labels[rows]
    truth = [films.reference_label(films.samples[row].sample_id) for row in rows]
    wrong = labels != np.array(truth)
    scores = _scores(films, Plan(seed=seed))
    first = allowed_masks(Plan().budget, len(rows))
    told = {}
    for name, rule in RULES.items():
        found = rule(scores, labels)
        told[name] = {
            "found": len(found),
            "precision": float(wrong[found].mean()) if found else 0.0,
            "recall": float(wrong[found].sum() / wrong.sum()),
            # Of a list that is shorter than the budget the rest of the looks is not used.
            "right_in_budget": int(wrong[found[:first]].sum()),
        }
    return told


def _scores(films: Any, plan: Plan) -> Scores:
    pixels = np.stack(
        [films.original(sample.sample_id)[None].astype(np.uint8) for sample in films.samples]
    )
    rows = films.rows(Split.TRAIN)

    def trained(train: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        inputs = ArmInputs(
            plan=plan,
            images=pixels,
            labels=films.labels,
            classes=len(films.classes),
            train=train,
            validation=films.rows(Split.VALIDATION),
            mirrored=films.mirrored,
        )
        state, epochs = initial_state(plan, classes=len(films.classes), channels=1), []
        for report in fit(plan, state, control(inputs), should_stop=lambda: False):
            if isinstance(report, EpochReport):
                state = report.state
                epochs.append(report.scores)
        return np.stack(epochs), restore(plan, state)

    epochs, model = trained(rows)
    final = predict(model, pixels[rows]).numpy()
    held_out = np.empty_like(final)
    samples = [films.samples[row] for row in rows]
    for held in make_folds(films.labels[rows], clusters_of(samples), seed=plan.seed):
        _, other = trained(np.delete(rows, held))
        held_out[held] = predict(other, pixels[rows[held]]).numpy()
    return Scores(fill_gaps(epochs, final), final, held_out)


def _table(measured: list[dict[str, Any]]) -> Iterator[str]:
    yield "| shortcut, wrong labels | rule | suspected | precision | recall | right in the budget |"
    yield "|---|---|---|---|---|---|"
    for cell in measured:
        for name in RULES:
            a_seed = [seed[name] for seed in cell["seeds"]]
            mean = {key: np.mean([each[key] for each in a_seed]) for key in a_seed[0]}
            least, most = (f(each["right_in_budget"] for each in a_seed) for f in (min, max))
            yield (
                f"| {cell['shortcut']:g}, {cell['label_noise']:.0%} | {name} | {mean['found']:.0f} "
                f"| {mean['precision']:.2f} | {mean['recall']:.2f} "
                f"| {mean['right_in_budget']:.1f} ({least}–{most}) |"
            )


def main() -> None:
    """Measure all, and write it down."""
    torch.set_num_threads(1)
    measured = [
        {
            "shortcut": shortcut,
            "label_noise": noise,
            "seeds": [measure(shortcut, noise, seed) for seed in SEEDS],
        }
        for shortcut, noise in SETTINGS
    ]
    about = {"images": IMAGES, "films_version": FILMS_VERSION, "python": platform.python_version()}
    content = about | {"seeds": SEEDS, "settings": measured}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(_table(measured)) + "\n")


if __name__ == "__main__":
    main()
