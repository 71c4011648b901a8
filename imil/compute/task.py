"""One learning-rate segment to train, by path: all that a process of its own needs."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imil.core.arms import ArmInputs, batches_of
from imil.core.images import open_cache
from imil.core.metrics import Explanation
from imil.core.readings import Probe, Readings, take_readings
from imil.core.records import EpochFigures, Plan, Progress, Region, Split
from imil.core.saliency import Explainer
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
# Beside a first training's checkpoint: {epoch: seconds}, from which other trainings are estimated.
_SECONDS = "seconds.json"
SPLITS = (Split.TRAIN, Split.VALIDATION, Split.TEST)
_OPTIONAL_FILES = ("pretrained", "edits", "probe", "subset", "triage")
# Written for a label where an image is left out.
_EXCLUDED = -1
# Arrays of a saved probe.
PROBE = ("rows", "donors", "regions", "explained", "contrasted", "same", "other")
SWAPPED = ("swapped", "same", "other")


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One segment: where its images are, where it starts, where it saves.

    Attributes:
        name: for the screen, such as "control, seed 0".
        folder: the segment's own folder; `checkpoint.safetensors` and `logits.npy` appear in it.
        images: the working-size cache, as `write_cache` leaves it.
        samples: labels and splits, as `write_samples` leaves them.
        plan: how to train; its seed orders the batches.
        arm: what to train on: the name of an arm or of a variant of one.
        classes: number of classes.
        mirrored: whether flips keep an image plausible.
        start: checkpoint of the round before; None for round 0.
        pretrained: safetensors to start round 0 from; None for random weights.
        edits: the arm's masks, as `write_masked` leaves them; None without masks.
        probe: what the trained arm is asked, as `write_probe` leaves it; None for nothing.
        subset: the rows to train on, a .npy; None for every training image.
        triage: what was decided on labels, as `write_triage` leaves it; None without.
    """

    name: str
    folder: Path
    images: Path
    samples: Path
    plan: Plan
    arm: str
    classes: int
    mirrored: bool
    start: Path | None = None
    pretrained: Path | None = None
    edits: Path | None = None
    probe: Path | None = None
    subset: Path | None = None
    triage: Path | None = None

    @property
    def checkpoint(self) -> Path:
        """The segment's last finished epoch."""
        return self.folder / "checkpoint.safetensors"

    @property
    def logits(self) -> Path:
        """(N, C) float32 scores of every image, un-edited; there once the segment is finished."""
        return self.folder / "logits.npy"

    def dynamics(self, epoch: int) -> Path:
        """(N_train, C) float32 scores given while an epoch was trained, NaN where none was.

        Kept of a study's first training alone; epochs count from 1. See `EpochReport.scores`.
        """
        return self.folder / "dynamics" / f"epoch-{epoch:04d}.npy"

    @property
    def readings(self) -> Path | None:
        """The answers to the probe; None without one."""
        return None if self.probe is None else self.folder / f"readings-{self.probe.stem}.npz"

    @property
    def finished(self) -> bool:
        """Whether the segment was trained to its end, and asked."""
        return self.logits.exists() and (self.readings is None or self.readings.exists())


def task_to_json(task: TrainingTask) -> dict[str, Any]:
    """Return the task as plain JSON values."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(task).items()}


def task_from_json(saved: dict[str, Any]) -> TrainingTask:
    """Return the task that `task_to_json` was given."""
    paths = {
        k: None if saved.get(k) is None else Path(saved[k])
        for k in ("folder", "images", "samples", "start", *_OPTIONAL_FILES)
    }
    return TrainingTask(**(saved | paths | {"plan": plan_from_json(saved["plan"])}))


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
    # An arm may be given none of the masks that were painted: those of another queue.
    edited = [masked.edited[row] for row in rows] or np.zeros((0, 1, 1, 1), np.uint8)
    masks = [masked.masks[row] for row in rows] or np.zeros((0, 1, 1), np.bool_)
    write_array(path / "images.npy", np.asarray(edited))
    write_array(path / "masks.npy", np.asarray(masks))
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


def write_triage(path: Path, triage: Mapping[int, int | None]) -> None:
    """Save which rows carry another label, or are left out (None)."""
    labels = [_EXCLUDED if label is None else label for label in triage.values()]
    write_array(path, np.array([list(triage), labels], np.int64))


def read_triage(path: Path) -> dict[int, int | None]:
    """Return what `write_triage` saved."""
    rows, labels = np.load(path, allow_pickle=False).tolist()
    return {
        row: None if label == _EXCLUDED else label for row, label in zip(rows, labels, strict=True)
    }


def write_probe(path: Path, probe: Probe) -> None:
    """Save what every arm of a comparison is asked, as an `.npz` file."""
    _write_arrays(path, {name: getattr(probe, name) for name in PROBE})


def read_probe(path: Path) -> Probe:
    """Return what `write_probe` saved."""
    with np.load(path, allow_pickle=False) as saved:
        return Probe(**{name: saved[name] for name in PROBE})


def read_readings(task: TrainingTask) -> Readings | None:
    """Return a finished segment's answers; None where it was asked nothing."""
    if task.readings is None:
        return None
    with np.load(task.readings, allow_pickle=False) as saved:
        explained = {
            (explainer, figure): saved[f"{explainer}.{figure}"]
            for explainer in Explainer
            for figure in Explanation
            if f"{explainer}.{figure}" in saved
        }
        return Readings(saved["swapped"], saved["same"], saved["other"], explained)


def _write_readings(path: Path, readings: Readings) -> None:
    explained = {f"{by}.{figure}": array for (by, figure), array in readings.explained.items()}
    _write_arrays(path, {name: getattr(readings, name) for name in SWAPPED} | explained)


def _write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    sink = io.BytesIO()
    np.savez_compressed(sink, **arrays)  # type: ignore[arg-type]  # arrays by name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, sink.getvalue())


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
    reported, began = 0.0, time.monotonic()
    for report in fit(task.plan, state, batches_of(inputs, task.arm), should_stop=should_stop):
        if isinstance(report, EpochReport):
            state, figures = report.state, (*figures, report.figures)
            # Before the checkpoint: whatever it says is finished has its dynamics too.
            _keep_dynamics(task, report, time.monotonic() - began)
            began = time.monotonic()
            _save(task, state, figures)
            yield report.figures
        elif time.monotonic() - reported > PROGRESS_EVERY:
            reported = time.monotonic()
            yield report
    if not should_stop():
        _ask(task, state, inputs.images)


def _ask(task: TrainingTask, state: TrainState, images: NDArray[np.uint8]) -> None:
    """Save the trained segment's answers: first to the probe, which may be a later comparison's."""
    device = task.plan.device
    module = restore(task.plan, state).to(device)
    if task.probe is not None and task.readings is not None and not task.readings.exists():
        answers = take_readings(module, images, read_probe(task.probe), device=device)
        _write_readings(task.readings, answers)
    if not task.logits.exists():
        write_array(task.logits, predict(module, images, device=device).numpy())


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
        train=_rows_to_train(task, codes),
        validation=np.flatnonzero(codes == SPLITS.index(Split.VALIDATION)),
        mirrored=task.mirrored,
        edited=masked.edited,
        masks=masked.masks,
        predicted=masked.predicted,
        triage={} if task.triage is None else read_triage(task.triage),
    )


def _rows_to_train(task: TrainingTask, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    if task.subset is None:
        return np.flatnonzero(codes == SPLITS.index(Split.TRAIN))
    rows: NDArray[np.int64] = np.load(task.subset, allow_pickle=False)
    return rows


def _keep_dynamics(task: TrainingTask, report: EpochReport, seconds: float) -> None:
    """Keep an epoch's answers, and how long it took, of a study's first training alone."""
    if task.start is not None or task.subset is not None:
        return
    with _full_disk("The scores of an epoch"):
        write_array(task.dynamics(report.figures.epoch), report.scores)
        known = epoch_seconds(task) | {report.figures.epoch: seconds}
        write_atomic(task.folder / _SECONDS, json.dumps(known).encode())


def epoch_seconds(task: TrainingTask) -> dict[int, float]:
    """Return how long each finished epoch of a first training took; {} where nobody measured."""
    path = task.folder / _SECONDS
    if not path.exists():
        return {}
    return {int(epoch): float(seconds) for epoch, seconds in json.loads(path.read_bytes()).items()}


def _save(task: TrainingTask, state: TrainState, figures: tuple[EpochFigures, ...]) -> None:
    with _full_disk("The checkpoint"):
        task.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(task.checkpoint, encode_checkpoint(task.plan, state, figures))


@contextmanager
def _full_disk(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        raise ComputeError(
            f"{what} could not be saved.",
            why=f"The system says: {cause.strerror}.",
            fix="Free some space and train on; the last saved epoch is kept.",
        ) from cause
