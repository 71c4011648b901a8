"""Endpoints of what is trained: the plan, the first training, folds, and the comparison."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

from imil.app.api.parameters import API_READER
from imil.core.evaluation.verdict import MIN_SEEDS
from imil.core.plans import check_plan, precision_of
from imil.core.records import Deployment, Plan
from imil.core.review.readers import reader_name
from imil.errors import PlanError
from imil.jobs.base import JobStatus
from imil.study.library.presets import Preset, preset_plan
from imil.study.study import Study


def set_plan(study: Study, plan: dict[str, Any], reader: str = API_READER) -> dict[str, Any]:
    """Change settings of the plan by name; the others stay."""
    study.training.set_plan(_changed(study.plan, plan), who=reader_name(reader))
    return asdict(study.plan)


def set_preset(study: Study, preset: Preset, reader: str = API_READER) -> dict[str, Any]:
    """Plan a study as a preset has it: recommended, or paper."""
    study.training.set_plan(preset_plan(preset, study.images, study.plan), who=reader_name(reader))
    return asdict(study.plan)


def set_deployment(study: Study, deployment: Deployment, reader: str = API_READER) -> str:
    """Answer whether the model will meet images where what is painted means nothing.

    That is: elsewhere (yes, such as another scanner, ward or hospital), same (no), or unsure.
    Fixed once a comparison was asked for.
    """
    study.training.set_deployment(deployment, who=reader_name(reader))
    return study.deployment.value


def train(study: Study, reader: str = API_READER) -> dict[str, Any]:
    """Start the first training, or go on with it."""
    study.training.start(who=reader_name(reader))
    return _progress(study.training.status())


def out_of_fold_cost(study: Study) -> dict[str, Any]:
    """Return what out-of-fold answers would cost."""
    return asdict(study.training.out_of_fold_cost())


def start_out_of_fold(study: Study, reader: str = API_READER) -> dict[str, Any]:
    """Train the folds; training_status says how far they are."""
    study.training.start_out_of_fold(who=reader_name(reader))
    return _progress(study.training.out_of_fold_status())


def compare(
    study: Study,
    seeds: int = 1,
    arms: list[str] | None = None,
    pooling: str | None = None,
    reader: str = API_READER,
) -> dict[str, Any]:
    """Train on with and without the masks; `arms` names what to compare with control.

    An arm of one reader's masks alone is named after them, as imil@Ada; `pooling` is how those
    of several become one an image: union, intersection or majority.
    """
    study.comparison.start(arms=arms, seeds=seeds, pooling=pooling, who=reader_name(reader))
    return _progress(study.comparison.status())


def more_seeds(study: Study, seeds: int = MIN_SEEDS, reader: str = API_READER) -> dict[str, int]:
    """Go on with the last comparison up to that many seeds in all; those done are kept."""
    study.comparison.more_seeds(seeds, who=reader_name(reader))
    return {"done": study.comparison.seeds_done(), "asked": study.comparison.seeds_asked()}


def training_status(study: Study) -> dict[str, Any]:
    """Return how far the first training, the comparison and the folds are."""
    return {
        "training": _progress(study.training.status()),
        "comparison": _progress(study.comparison.status()),
        "out_of_fold": _progress(study.training.out_of_fold_status()),
    }


def stop(study: Study, reader: str = API_READER) -> dict[str, Any]:
    """Stop whatever trains, within one batch."""
    study.stop(who=reader_name(reader))
    return _progress(study.training.status())


def _progress(status: JobStatus) -> dict[str, Any]:
    error = status.error
    return {
        "state": None if status.state is None else status.state.value,
        "position": status.position,
        "starts_in": status.starts_in,
        "step": status.step,
        "epoch": status.epoch,
        "epochs": status.epochs,
        "share": status.share,
        "seconds_left": status.seconds_left,
        "curves": [asdict(epoch) for epoch in status.curves],
        "error": error and {"what": error.what, "why": error.why, "fix": error.fix},
    }


def _changed(plan: Plan, changes: dict[str, Any]) -> Plan:
    known = [field.name for field in fields(plan)]
    for name in changes:
        if name not in known:
            raise PlanError(
                f"The plan has no setting “{name}”.",
                why=f"Its settings are {', '.join(known)}.",
                fix="Leave it out, or correct its name.",
            )
    precision = precision_of(changes.get("precision", plan.precision))
    return check_plan(replace(plan, **changes | {"precision": precision}))
