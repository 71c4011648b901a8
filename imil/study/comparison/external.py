"""External sets: what the trained arms answer to them, asked once the test set is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imil.core.arms.variants import Variant
from imil.core.evaluation.comparison import Trained
from imil.core.external.distribution import DistributionCheck
from imil.core.external.figures import ExternalAnswers
from imil.core.images import ImageSet, open_cache, write_cache
from imil.core.training.fit import predict, restore
from imil.jobs.training.inputs import write_array
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import decode_checkpoint
from imil.study.comparison.segments import models_lost_error


@dataclass(frozen=True, slots=True, eq=False)
class ExternalImages:
    """One external set on this machine.

    Attributes:
        name: what the person calls it.
        key: names its files; other images have another.
        images: all of them are to test on.
        folder: for its working images.
        check: what it is like beside the training images; None where nobody looked.
    """

    name: str
    key: str
    images: ImageSet
    folder: Path
    check: DistributionCheck | None = None


def set_key(images: ImageSet) -> str:
    """Return a name for a set: 12 hex digits of its images' ids and labels."""
    content = repr([(s.sample_id, s.label, s.patient) for s in images.samples])
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def ask_external(
    found: ExternalImages,
    tasks: Mapping[Variant, Sequence[TrainingTask]],
    trained: Mapping[Variant, Trained],
    *,
    device: str,
) -> ExternalAnswers:
    """Return what every arm answers to an external set; what was asked before is kept.

    Args:
        found: the set.
        tasks: from each arm to its finished trainings, one a seed.
        trained: the same arms on the test set, with what their masks cost.
        device: that asks the models.

    Raises:
        PlanError: a model is not on this machine any more.
        DataError: an image can't be read.
    """
    return ExternalAnswers(
        name=found.name,
        samples=found.images.samples,
        trained={
            arm: replace(
                trained[arm],
                logits=tuple(external_logits(found, task, device=device) for task in of_arm),
                curves=((),) * len(of_arm),
                swapped=(),
                same=(),
                other=(),
                explained={},
                explained_places=None,
            )
            for arm, of_arm in tasks.items()
        },
        check=found.check,
    )


def external_logits(
    found: ExternalImages, task: TrainingTask, *, device: str
) -> NDArray[np.float32]:
    """Return a trained model's (N, C) scores of an external set, kept beside the model.

    Raises:
        PlanError: the model is not on this machine any more.
        DataError: an image can't be read.
    """
    path = task.folder / f"external-{found.key}.npy"
    if not path.exists():
        if not task.checkpoint.exists():
            raise models_lost_error()
        working = found.folder / f"working-{task.plan.size}.npy"
        for _ in write_cache(found.images, working, size=task.plan.size):
            pass
        # For this thread; as many as training has, which leaves a server its core.
        torch.set_num_threads(task.plan.threads)
        plan, state, _ = decode_checkpoint(task.checkpoint.read_bytes())
        module = restore(plan, state).to(device)
        write_array(path, predict(module, open_cache(working), device=device).numpy())
    scores: NDArray[np.float32] = np.load(path, allow_pickle=False)
    return scores
