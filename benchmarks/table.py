"""What a benchmark found, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.grid import RIVAL
from imil.core.arms.variants import CONTROL
from imil.core.evaluation.metrics import Metric, Robustness

IS_RIVAL = f"is {RIVAL}"
NOT_RUN = "not run"
IS_CONTROL = "is control"
AGAINST = (
    "Points against control; the 95 % interval is widened by Holm's procedure over the arms named "
    "beforehand, and over all others. The word is that of both questions: without the "
    "shortcut, and on images like these."
)


def films_table(content: Mapping[str, Any]) -> str:
    """Return the grid: points of each arm against control, the recommendation, the targets."""
    seeds, images = len(content["seeds"]), content["images"]
    about = (
        f"Accuracy on test films, {seeds} seeds (each new films, a full replication), {images} "
        f"training films. {AGAINST}"
    )
    sections = [about]
    for noise in dict.fromkeys(cell["label_noise"] for cell in content["cells"]):
        cells = [cell for cell in content["cells"] if cell["label_noise"] == noise]
        sections += ["\n".join(_arms(cells, content["arms"])), "\n".join(_recommended(cells))]
    sections += ["## Following the recommendation", "\n".join(_rule(content["rule"]))]
    sections += ["## Targets", "\n".join(_targets(content["targets"]))]
    return "\n\n".join(sections) + "\n"


def images_table(content: Mapping[str, Any]) -> str:
    """Return the study: figures of each arm, points against control, the targets."""
    study = content["study"]
    seeds, scope = len(study["seeds"]), study["seed_scope"]
    columns = (
        *("arm", "accuracy", "balanced accuracy", "swapped balanced accuracy", "masks"),
        *("points without the shortcut", "points of accuracy", "points of balanced accuracy"),
        *("when swapped", "verdict"),
    )
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    rows += [_arm(study, arm) for arm in study["arms"]]
    about = (
        f"{content['data']['name']}: {study['images']} test images, {seeds} {scope} seeds, "
        f"majority class {study['majority_rate']:.3f}, {study['masked']} of "
        f"{study['training_images']} training images masked. {AGAINST}"
    )
    chosen = (
        f"Recommended (chosen on validation): {study['recommended'] or 'none'}. Masks alone, image "
        f"hidden: {_alone(study['mask_only'])}."
    )
    targets = "\n".join(_targets(content["targets"]))
    return "\n\n".join([about, "\n".join(rows), chosen, "## Targets", targets]) + "\n"


def _arms(cells: Sequence[Mapping[str, Any]], arms: Sequence[str]) -> Iterator[str]:
    noise = f"label noise {cells[0]['label_noise']:.0%}"
    shortcuts = [f"shortcut {cell['shortcut']:g}" for cell in cells]
    yield f"| {noise} | {' | '.join(shortcuts)} |"
    yield "|---|" + "---|" * len(cells)
    controls = [f"{np.mean(cell['accuracy'][CONTROL]):.3f}" for cell in cells]
    yield f"| control | {' | '.join(controls)} |"
    for arm in arms:
        if arm != CONTROL:
            points = [_points(cell["paired"][arm]) for cell in cells]
            yield f"| {arm} | {' | '.join(points)} |"


def _recommended(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| label noise | shortcut | recommended | points against control | against upweight |"
    yield "|---|---|---|---|---|"
    for cell in cells:
        found = cell["recommended"]
        verdict = IS_CONTROL if found["verdict"] is None else found["verdict"].replace("_", " ")
        rival = found["against_rival"]
        yield (
            f"| {cell['label_noise']:.0%} | {cell['shortcut']:g} | {found['arm']} | "
            f"{_interval(found['against_control'])} {verdict}{_closes(found['share_closed'])} | "
            f"{IS_RIVAL if found['arm'] == RIVAL else _interval(rival) if rival else NOT_RUN} |"
        )


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "Regret: points of accuracy short of the best arm by test. Best: that arm, or one within "
        "0.1 points of it, was chosen. A study of one seed is what one user would have got."
    )
    yield ""
    yield "| chosen | cases | best | harmful | regret, mean | worst | gain against control |"
    yield "|---|---|---|---|---|---|---|"
    for kind, what in (("pooled", "settings"), ("single", "studies of one seed")):
        rows = {
            "recommended, unsure where it will work": rule["recommended"][kind],
            "recommended for elsewhere": rule["elsewhere"][kind],
        }
        rows |= {f"always {arm}": scores[kind] for arm, scores in rule["always"].items()}
        for name, score in rows.items():
            regret, gain = (
                f"{score[key]['value']:+.1f} [{score[key]['low']:+.1f}, {score[key]['high']:+.1f}]"
                for key in ("regret", "gain")
            )
            yield (
                f"| {name} | {score['cases']} {what} | {score['best']} | {score['harmful']} | "
                f"{regret} | {score['worst_regret']:.1f} | {gain} |"
            )


def _targets(targets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    words = {True: "met", False: "missed", None: "open"}
    for target in targets:
        yield f"- **{words[target['met']]}**: {target['words']}: {target['found']}."


def _arm(study: Mapping[str, Any], arm: str) -> str:
    figures = study["arms"][arm]
    names = (
        Metric.ACCURACY.value,
        Metric.BALANCED_ACCURACY.value,
        Robustness.SWAPPED_BALANCED_ACCURACY.value,
    )
    means = [f"{np.mean(figures[m]):.3f}" if figures.get(m) else "not measured" for m in names]
    cells = [arm, *means, f"{study['masks'].get(arm, 0)}"]
    found = study["paired"].get(arm)
    if found is None:
        return f"| {' | '.join([*cells, 'reference', '', '', '', ''])} |"
    asked = [
        found.get(Robustness.INDEPENDENT_BALANCED_ACCURACY.value),
        *(found[metric.value] for metric in (Metric.ACCURACY, Metric.BALANCED_ACCURACY)),
        found["swapped"].get(Robustness.SWAPPED_BALANCED_ACCURACY.value),
    ]
    cells += ["not measured" if each is None else _interval(each) for each in asked]
    return f"| {' | '.join([*cells, found['verdict'].replace('_', ' ')])} |"


def _alone(alone: Mapping[str, Any] | None) -> str:
    if alone is None:
        return "not measured"
    found = alone["balanced_accuracy"]
    word = "at chance" if alone["at_chance"] else "above chance, so the masks give the class away"
    return (
        f"balanced accuracy {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}], "
        f"n = {alone['images']}, {word}"
    )


def _points(paired: Mapping[str, Any]) -> str:
    words = paired["verdict"].replace("_", " ")
    return f"{_interval(paired[Metric.ACCURACY.value])} {words}{_closes(paired['share_closed'])}"


def _closes(closed: Mapping[str, float] | None) -> str:
    return "" if closed is None else f", closes {closed['value']:.0%}"


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['points']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}]"
