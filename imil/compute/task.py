"""One learning-rate segment to train, by path: all that a process of its own needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imil.core.arms import ARMS, ArmInputs
from imil.core.images import open_cache
from imil.core.records import Arm, EpochFigures, Plan, Progress, Region, Split
from imil.core.training import (
    EpochReport,
    TrainState,
    fit,
    initial_state,
    next_round,
    predict,
    restore,
)
from imil.errors import ComputeError
from imil.store.codec import decode_checkpoint, encode_checkpoint, plan_from_json
from imil.store.local import write_atomic

# Seconds between two reports of progress that leave the process.
PROGRESS_EVERY = 0.4
SPLITS = (Split.TRAIN, Split.VALIDATION, Split.TEST)


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One segment: where its images are, where it starts, where it saves.

    Attributes:
        name: for the screen, such as "control, seed 0".
        folder: the segment's own folder; `checkpoint.safetensors` and `logits.npy` appear in it.
        images: the working-size cache, as `write_cache` leaves it.
        samples: labels and splits, as `write_samples` leaves them.
        plan: how to train; its seed orders the batches.
        arm: what to train on.
        classes: number of classes.
        mirrored: whether flips keep an image plausible.
        start: checkpoint of the round before; None for round 0.
        pretrained: safetensors to start round 0 from; None for random weights.
        edits: the arm's masks, as `write_masked` leaves them; None without masks.
    """

    name: str
    folder: Path
    images: Path
    samples: Path
    plan: Plan
    arm: Arm
    classes: int
    mirrored: bool
    start: Path | None = None
    pretrained: Path | None = None
    edits: Path | None = None

    @property
    def checkpoint(self) -> Path:
        """The segment's last finished epoch."""
        return self.folder / "checkpoint.safetensors"

    @property
    def logits(self) -> Path:
        """(N, C) float32 scores of every image, un-edited; there once the segment is finished."""
        return self.folder / "logits.npy"

    @property
    def finished(self) -> bool:
        """Whether the segment was trained to its end."""
        return self.logits.exists()


def task_to_json(task: TrainingTask) -> dict[str, Any]:
    """Return the task as plain JSON values."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(task).items()}


def task_from_json(saved: dict[str, Any]) -> TrainingTask:
    """Return the task that `task_to_json` was given."""
    paths = {
        k: Path(saved[k]) if saved[k] is not None else None
        for k in ("folder", "images", "samples", "start", "pretrained", "edits")
    }
    plan, arm = plan_from_json(saved["plan"]), Arm(saved["arm"])
    return TrainingTask(**(saved | paths | {"plan": plan, "arm": arm}))


def write_samples(path: Path, labels: NDArray[np.int64], splits: tuple[Split, ...]) -> None:
    """Save every image's label and split, in the order of the cache."""
    codes = [SPLITS.index(split) for split in splits]
    write_array(path, np.stack([labels, np.array(codes, np.int64)]))


@dataclass(frozen=True, slots=True, eq=False)
class MaskedImages:
    """The masks of one arm at working size.

    Attributes:
        edited: from the row of a masked image to its blacked-out copy, (C, S, S) uint8.
        masks: from the same rows to the irrelevant region, (S, S).
        predicted: (N, S, S), the predicted irrelevant region of every image; None without.
    """

    edited: Mapping[int, NDArray[np.uint8]]
    masks: Mapping[int, Region]
    predicted: NDArray[np.bool_] | None = None


def write_masked(path: Path, masked: MaskedImages) -> None:
    """Save the masks of one arm; complete once `rows.npy` is there."""
    path.mkdir(parents=True, exist_ok=True)
    rows = sorted(masked.edited)
    write_array(path / "images.npy", np.stack([masked.edited[row] for row in rows]))
    write_array(path / "masks.npy", np.stack([masked.masks[row] for row in rows]))
    if masked.predicted is not None:
        write_array(path / "predicted.npy", masked.predicted)
    write_array(path / "rows.npy", np.array(rows, np.int64))


def read_masked(path: Path) -> MaskedImages:
    """Return what `write_masked` saved; the predicted regions are read from disk as used."""
    rows, images, masks = (
        np.load(path / f"{name}.npy", allow_pickle=False) for name in ("rows", "images", "masks")
    )
    predicted = path / "predicted.npy"
    return MaskedImages(
        dict(zip(rows.tolist(), images, strict=True)),
        dict(zip(rows.tolist(), masks, strict=True)),
        np.load(predicted, mmap_mode="r", allow_pickle=False) if predicted.exists() else None,
    )


def write_array(path: Path, array: NDArray[np.generic]) -> None:
    """Save an array so that a kill leaves the old or the new file, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part.npy")
    np.save(unfinished, array, allow_pickle=False)
    unfinished.replace(path)


def run_task(
    task: TrainingTask, *, should_stop: Callable[[], bool]
) -> Iterator[Progress | EpochFigures]:
    """Train the segment from its last finished epoch to its end, saving each epoch.

    Yields:
        Progress at most every `PROGRESS_EVERY` seconds, and the figures of each finished epoch,
        those of epochs finished earlier first. Ends early, resumable, once `should_stop` is True.

    Raises:
        ComputeError: the disk is full, the checkpoint is of other settings, or the loss diverged.
        StoreError: the checkpoint is damaged.
    """
    torch.set_num_threads(task.plan.threads)
    state, figures = _latest(task)
    yield from figures
    if task.finished:
        return
    inputs = _inputs(task)
    reported = 0.0
    for report in fit(task.plan, state, ARMS[task.arm].batches(inputs), should_stop=should_stop):
        if isinstance(report, EpochReport):
            state, figures = report.state, (*figures, report.figures)
            _save(task, state, figures)
            yield report.figures
        elif time.monotonic() - reported > PROGRESS_EVERY:
            reported = time.monotonic()
            yield report
    if not should_stop():
        logits = predict(restore(task.plan, state).to(task.plan.device), inputs.images)
        write_array(task.logits, logits.numpy())


def _latest(task: TrainingTask) -> tuple[TrainState, tuple[EpochFigures, ...]]:
    if task.checkpoint.exists():
        plan, state, figures = decode_checkpoint(task.checkpoint.read_bytes())
        if plan != task.plan:
            raise ComputeError(
                f"The checkpoint of “{task.name}” belongs to other settings.",
                why="Training may only go on under the plan it began with.",
                fix="Use the former settings, or start a new study or another output folder.",
            )
        return state, figures
    if task.start is not None:
        _, state, _ = decode_checkpoint(task.start.read_bytes())
        return next_round(state), ()
    channels = int(open_cache(task.images).shape[1])
    pretrained = task.pretrained.read_bytes() if task.pretrained else None
    state = initial_state(task.plan, classes=task.classes, channels=channels, pretrained=pretrained)
    return state, ()


def _inputs(task: TrainingTask) -> ArmInputs:
    labels, codes = np.load(task.samples, allow_pickle=False)
    none = MaskedImages({}, {})
    masked = none if task.edits is None else read_masked(task.edits)
    return ArmInputs(
        plan=task.plan,
        images=open_cache(task.images),
        labels=labels,
        classes=task.classes,
        train=np.flatnonzero(codes == SPLITS.index(Split.TRAIN)),
        validation=np.flatnonzero(codes == SPLITS.index(Split.VALIDATION)),
        mirrored=task.mirrored,
        edited=masked.edited,
        masks=masked.masks,
        predicted=masked.predicted,
    )


def _save(task: TrainingTask, state: TrainState, figures: tuple[EpochFigures, ...]) -> None:
    try:
        task.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(task.checkpoint, encode_checkpoint(task.plan, state, figures))
    except OSError as cause:
        raise ComputeError(
            "The checkpoint could not be saved.",
            why=f"The system says: {cause.strerror}.",
            fix="Free some space and train on; the last saved epoch is kept.",
        ) from cause
