"""`results.json` and `results.csv`: one finished comparison for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from imil.core.arms.variants import CONTROL
from imil.core.evaluation.budget_curves import budget_curves
from imil.core.evaluation.metrics import Metric, Robustness
from imil.core.evaluation.rounds import Advice, ArmFigures, ExternalFigures, Paired, Round
from imil.core.evaluation.verdict import Change, answer_alike, answer_without
from imil.core.images import ImageSet, describe
from imil.core.nets.saliency import Explainer
from imil.core.records import Plan, Selection
from imil.core.review.agreement import ReaderSummary
from imil.core.splits import DisjointProof
from imil.jobs.training.machine import versions
from imil.storage.records.studies import round_to_json
from imil.storage.sheets import csv_text
from imil.storage.values import to_json

RESULTS_SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class ResultsContext:
    """What belongs to a result besides the round itself.

    Attributes:
        images: the study's images.
        plan: how it trained.
        proof: what is known of patients in two splits.
        seconds: how long each step took.
        before: figures of round 0 on the same images, a value a first training. No arm: a
            before/after always flatters.
        outliers: how the mispredicted were found: a `Selection`, or several joined by "+".
        origins: how many of the masks came about in which way, by `Origin`.
        reading: who masked, and how far they agree; None where nobody is known.
    """

    images: ImageSet
    plan: Plan
    proof: DisjointProof
    seconds: Mapping[str, float]
    before: Mapping[Metric, tuple[float, ...]] = field(default_factory=dict)
    outliers: str = Selection.IN_SAMPLE.value
    origins: Mapping[str, int] = field(default_factory=dict)
    reading: ReaderSummary | None = None


def results_json(finished: Round, about: ResultsContext) -> bytes:
    """Return `results.json` (the contract's fields, then `round`: the whole value)."""
    content = {
        "schema_version": RESULTS_SCHEMA,
        "data": {
            "name": about.images.name,
            "counts": describe(about.images),
            "split": finished.split,
            "images": finished.images,
            "patients": finished.patients,
            "groups_disjoint": about.proof.complete and about.proof.shared == 0,
            "proof": about.proof.sentence,
            "majority_rate": finished.majority_rate,
        },
        "plan": asdict(about.plan),
        "budget": {
            "share": about.plan.budget,
            "allowed": finished.allowed,
            "painted": list(finished.masked),
            "origins": dict(about.origins),
        },
        "masks_of": {"readers": list(finished.readers), "pooling": finished.pooling},
        "readers": None if about.reading is None else reading_json(about.reading),
        "outliers": about.outliers,
        "seeds": list(finished.seeds),
        "seed_scope": finished.seed_scope,
        "arms": {arm.arm: _values(arm) for arm in finished.arms},
        "classes": _classes(finished.arms, about),
        "groups": {arm.arm: to_json(arm.groups) for arm in finished.arms},
        "round_0": {metric.value: list(values) for metric, values in about.before.items()},
        "paired": paired_json(finished),
        "deployment": finished.deployment.value,
        # Chosen on validation by a rule that needs predicted irrelevance; null without it.
        "recommended": finished.recommended,
        "candidates": None if finished.advice is None else _candidates(finished.advice),
        "test_openings": finished.test_openings,
        "seconds": {step: round(s, 3) for step, s in about.seconds.items()},
        "swapped_by": finished.swapped_by,
        "mask_only": to_json(finished.mask_only),
        "worst_group": finished.worst_group,
        "operating_points": {arm.arm: to_json(arm.operating_point) for arm in finished.arms},
        "explanations": {arm.arm: to_json(arm.explanations) for arm in finished.arms},
        "doses": {line.arm: to_json(line.points) for line in budget_curves(finished)},
        "external": {each.name: _external(each, about, finished) for each in finished.external},
        "notices": list(finished.notices),
        "versions": versions(),
        "round": round_to_json(finished),
    }
    return json.dumps(content, indent=1).encode()


def paired_json(finished: Round) -> dict[str, dict[str, Any]]:
    """Return what is said of every arm against control."""
    return {paired.arm: _against_control(paired, len(finished.seeds)) for paired in finished.paired}


def _external(found: ExternalFigures, about: ResultsContext, of: Round) -> dict[str, Any]:
    """Return an external set's figures, arms and differences as for the test set."""
    return {
        "images": found.images,
        "patients": found.patients,
        "majority_rate": found.majority_rate,
        "arms": {arm.arm: _values(arm) for arm in found.arms},
        "figures": {arm.arm: to_json(arm.figures) for arm in found.arms},
        "paired": {
            paired.arm: {
                **_against_control(paired, len(of.seeds)),
                Metric.AUROC.value: to_json(found.auroc.get(paired.arm)),
            }
            for paired in found.paired
        },
        "classes": _classes(found.arms, about),
        "groups": {arm.arm: to_json(arm.groups) for arm in found.arms},
        "operating_points": {arm.arm: to_json(arm.operating_point) for arm in found.arms},
        # The same arms once more, at thresholds of the greatest balanced accuracy on validation.
        "at_validation_threshold": {each.arm: to_json(each) for each in found.at_threshold},
        "check": to_json(found.check),
    }


def _classes(arms: Sequence[ArmFigures], about: ResultsContext) -> dict[str, Any]:
    return {
        arm.arm: dict(zip(about.images.classes, to_json(arm.classes), strict=True)) for arm in arms
    }


def reading_json(found: ReaderSummary) -> dict[str, Any]:
    """Return who read and how far they agree; no image by name, since readers may be blind."""
    agreed = found.agreement
    return {
        "readers": to_json(found.readers),
        "unblinded": None if found.unblinded is None else found.unblinded.isoformat(),
        "late": found.late,
        "agreement": {
            "images": len(agreed.images),
            "alone": agreed.alone,
            "dice": to_json(agreed.dice),
            "iou": to_json(agreed.iou),
            "pairs": to_json(agreed.pairs),
        },
    }


def results_csv(finished: Round) -> str:
    """Return a row an arm, metric and seed; an external set is the split “external: its name”."""
    rows: list[tuple[object, ...]] = [("arm", "metric", "split", "seed", "value")]
    sets = {finished.split.value: finished.arms}
    sets |= {f"external: {each.name}": each.arms for each in finished.external}
    for split, arms in sets.items():
        for arm in arms:
            for metric, values in _values(arm).items():
                for seed, value in zip(finished.seeds, values, strict=True):
                    written = "" if value is None else f"{value:.6f}"
                    rows.append((arm.arm, metric, split, seed, written))
    return csv_text(rows)


def _values(arm: ArmFigures) -> dict[str, list[float | None]]:
    """Return every metric of an arm, a value a seed.

    Explanations are those of integrated gradients, which on films agree best with what swapping a
    region really does (see `imil.core.nets.saliency`); those of both explainers stand in the round.
    """
    values: dict[str, list[float | None]] = {}
    values |= {metric.value: list(each) for metric, each in arm.values.items()}
    values |= {kind.value: list(each) for kind, each in arm.swapped_values.items()}
    for found in arm.explanations:
        if found.explainer is Explainer.INTEGRATED_GRADIENTS:
            values |= {figure.value: to_json(each) for figure, each in found.values.items()}
    return values


def _candidates(advice: Advice) -> dict[str, Any]:
    """Return what the recommended arm was chosen from: figures on validation, a value a seed."""
    return {
        candidate.name: {
            "accuracy": list(candidate.accuracy),
            "independent_balanced_accuracy": list(candidate.independent),
            "gain": to_json(candidate.gain),
            "swapped_balanced_accuracy": list(candidate.swapped_balanced_accuracy),
            "masks": candidate.masks,
        }
        for candidate in advice.candidates
    }


def _against_control(paired: Paired, seeds: int) -> dict[str, Any]:
    """Return what decides of an arm against control, then what stands beside it."""
    independent = paired.independent
    return {
        "against": CONTROL,
        "verdict": {
            "word": paired.verdict.value,
            "without_the_shortcut": answer_without(independent, seeds=seeds).value,
            "on_images_like_these": answer_alike(paired.differences, seeds=seeds).value,
        },
        Robustness.INDEPENDENT_BALANCED_ACCURACY.value: None
        if independent is None
        else _change(independent),
        **{
            metric.value: {**_change(change), "verdict": paired.verdict.value}
            for metric, change in paired.differences.items()
        },
        # No verdict is made of these.
        **{kind.value: to_json(each) for kind, each in paired.swapped.items()},
        "exploratory": paired.exploratory,
        "mcnemar": to_json(paired.mcnemar),
    }


def _change(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = to_json(change)
    return {**found, "visible_from": to_json(change.visible_from)}
