"""`results.json` and `results.csv`: one finished comparison for other programs."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import imil
from imil.core.images import ImageSet, describe
from imil.core.metrics import Metric
from imil.core.records import Arm, Plan
from imil.core.rounds import Round
from imil.core.splits import DisjointProof
from imil.store.studies import round_to_json

RESULTS_SCHEMA = 1
# What a figure may depend on.
PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "pillow")


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """What belongs to a result besides the round itself.

    Attributes:
        images: the study's images.
        plan: how it trained.
        proof: what is known of patients in two splits.
        seconds: how long each step took.
        before: figures of round 0 on the same images, a value a first training. No arm: a
            before/after always flatters.
    """

    images: ImageSet
    plan: Plan
    proof: DisjointProof
    seconds: Mapping[str, float]
    before: Mapping[Metric, tuple[float, ...]] = field(default_factory=dict)


def results_json(finished: Round, about: About) -> bytes:
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
        },
        "seeds": list(finished.seeds),
        "seed_scope": finished.seed_scope,
        "arms": {
            arm.arm.value: {metric.value: list(v) for metric, v in arm.values.items()}
            for arm in finished.arms
        },
        "round_0": {metric.value: list(values) for metric, values in about.before.items()},
        "paired": _paired(finished),
        # Chosen on validation by a rule that needs predicted irrelevance; without it, no arm is.
        "recommended": None,
        "test_openings": finished.test_openings,
        "seconds": {step: round(s, 3) for step, s in about.seconds.items()},
        "notices": list(finished.notices),
        "versions": versions(),
        "round": round_to_json(finished),
    }
    return json.dumps(content, indent=1).encode()


def results_csv(finished: Round) -> str:
    """Return a row an arm, metric and seed."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(("arm", "metric", "split", "seed", "value"))
    for arm in finished.arms:
        for metric, values in arm.values.items():
            for seed, value in zip(finished.seeds, values, strict=True):
                writer.writerow((arm.arm, metric, finished.split, seed, f"{value:.6f}"))
    return sink.getvalue()


def versions() -> dict[str, str]:
    """Return the versions that a figure may depend on."""
    packages = {name: version(name) for name in PACKAGES}
    return {"imil": imil.__version__, "python": platform.python_version(), **packages}


def _paired(finished: Round) -> dict[str, dict[str, Any]]:
    return {
        paired.arm.value: {
            "against": Arm.CONTROL.value,
            **{
                metric.value: {**asdict(difference), "verdict": paired.verdict.value}
                for metric, difference in paired.differences.items()
            },
        }
        for paired in finished.paired
    }
