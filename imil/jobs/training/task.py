"""One learning-rate segment to train, by path: all that a process of its own needs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imil.core.arms.focusing import learn_focus
from imil.core.arms.rebalancing import rebalanced
from imil.core.arms.registry import ARMS, ArmInputs, batches_of
from imil.core.arms.variants import Variant
from imil.core.disk import full_disk
from imil.core.evaluation.metrics import Explanation
from imil.core.evaluation.probe import ProbeAnswers, answer_probe
from imil.core.images import open_cache
from imil.core.nets.backbones import pretrained_stages
from imil.core.nets.saliency import Explainer
from imil.core.nets.stages import Stages
from imil.core.records import EpochFigures, Plan, Progress, Split
from imil.core.training.data_parallel import rank, world_size
from imil.core.training.device_images import cache_on_gpu
from imil.core.training.fit import (
    EpochReport,
    TrainState,
    epochs_of,
    fit,
    initial_state,
    left_raw,
    next_round,
    predict,
    restore,
    with_focus,
)
from imil.errors import ComputeError, StoreError
from imil.jobs.device import pick_device
from imil.jobs.training.inputs import (
    ANSWER_ARRAYS,
    SPLIT_CODES,
    MaskedImages,
    read_masked,
    read_probe,
    read_triage,
    write_array,
    write_arrays,
)
from imil.jobs.training.machine import training_machine
from imil.jobs.training.out_of_memory import is_out_of_memory, out_of_memory_error
from imil.storage.codec import decode_checkpoint, encode_checkpoint
from imil.storage.local import write_atomic
from imil.storage.values import from_json

# Seconds between two reports of progress that leave the process.
PROGRESS_EVERY = 0.4
# Beside a first training's checkpoint: {epoch: seconds}, from which other trainings are estimated.
_SECONDS = "seconds.json"
# Beside a checkpoint: every machine that trained a part of the segment, in order.
_MACHINES = "machines.json"


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
        pretrained: safetensors that round 0 starts from, and that mask predictors of later rounds
            look through; None for random weights.
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
    arm: Variant
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

    @property
    def left_raw(self) -> Path:
        """(N,) bool, which images a model that hides regions takes as they are; for its arms alone.

        Its mask predictor is not sure enough there.
        """
        return self.folder / "left_raw.npy"

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
    """Return the task that `task_to_json` was given; fields that another version has are left."""
    return from_json(TrainingTask, saved)


def read_probe_answers(task: TrainingTask) -> ProbeAnswers | None:
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
        return ProbeAnswers(saved["swapped"], saved["same"], saved["other"], explained)


def _write_readings(path: Path, readings: ProbeAnswers) -> None:
    explained = {f"{by}.{figure}": array for (by, figure), array in readings.explained.items()}
    write_arrays(path, {name: getattr(readings, name) for name in ANSWER_ARRAYS} | explained)


def run_task(
    task: TrainingTask, *, should_stop: Callable[[], bool]
) -> Iterator[Progress | EpochFigures]:
    """Train the segment from its last finished epoch to its end, saving each epoch.

    Of several processes that train it together the first alone writes.

    Yields:
        Progress at most every `PROGRESS_EVERY` seconds, and the figures of each finished epoch,
        those of epochs finished earlier first. Ends early, resumable, once `should_stop` is True.

    Raises:
        ComputeError: the disk or the memory is full, the GPU of the plan is not there, the
            checkpoint is of other settings, or the loss diverged.
        StoreError: the checkpoint is damaged, or is none of IMIL's.
    """
    torch.set_num_threads(task.plan.threads)
    pick_device(task.plan.device)
    state, figures = _latest(task)
    yield from figures
    if task.finished:
        return
    inputs = _inputs(task)
    if rank() == 0:
        _keep_machine(task)
    try:
        yield from _train(task, inputs, state, figures, should_stop)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory_error(task.name, task.plan) from error


def _train(
    task: TrainingTask,
    inputs: ArmInputs,
    state: TrainState,
    figures: tuple[EpochFigures, ...],
    should_stop: Callable[[], bool],
) -> Iterator[Progress | EpochFigures]:
    writes, reported, began = rank() == 0, 0.0, time.monotonic()
    batches = batches_of(inputs, task.arm)
    for report in fit(task.plan, state, batches, should_stop=should_stop):
        if isinstance(report, EpochReport):
            state, figures = _refitted(task, report.state, inputs), (*figures, report.figures)
            if writes:
                _keep(task, replace(report, state=state), figures, time.monotonic() - began)
            began = time.monotonic()
            yield report.figures
        elif time.monotonic() - reported > PROGRESS_EVERY:
            reported = time.monotonic()
            yield report
    if writes and not should_stop():
        _ask(task, state, inputs)


def _refitted(task: TrainingTask, state: TrainState, inputs: ArmInputs) -> TrainState:
    """Fit the last layer anew after the last epoch, where the arm does so."""
    over = state.epoch == epochs_of(task.plan, state.round)
    if not (over and ARMS[task.arm.arm].refitted):
        return state
    return rebalanced(state, inputs, seed=task.plan.seed)


def _keep(
    task: TrainingTask, report: EpochReport, figures: tuple[EpochFigures, ...], seconds: float
) -> None:
    # Before the checkpoint: whatever it says is finished has its dynamics too.
    _keep_dynamics(task, report, seconds)
    _save(task, report.state, figures)


def _ask(task: TrainingTask, state: TrainState, inputs: ArmInputs) -> None:
    """Save the trained segment's answers: first to the probe, which may be a later comparison's."""
    device = task.plan.device
    module = restore(task.plan, state).to(device)
    if task.probe is not None and task.readings is not None and not task.readings.exists():
        answers = answer_probe(module, inputs.images, read_probe(task.probe), device=device)
        _write_readings(task.readings, answers)
    if not task.logits.exists():
        if module.focus is not None:
            # Before the scores: they say that the segment is finished.
            write_array(task.left_raw, left_raw(module, inputs.nearest, device=device))
        write_array(task.logits, predict(module, inputs.nearest, device=device).numpy())


def _latest(task: TrainingTask) -> tuple[TrainState, tuple[EpochFigures, ...]]:
    if task.checkpoint.exists():
        plan, state, figures = _read(task.checkpoint, task)
        if plan != task.plan:
            raise ComputeError(
                f"The checkpoint of “{task.name}” belongs to other settings.",
                why="Training may only go on under the plan it began with.",
                fix="Use the former settings, or start a new study or another output folder.",
            )
        return state, figures
    if task.start is not None:
        before, state, _ = _read(task.start, task)
        return _focused(task, next_round(state), before.seed), ()
    channels = int(open_cache(task.images).shape[1])
    pretrained = task.pretrained.read_bytes() if task.pretrained else None
    state = initial_state(task.plan, classes=task.classes, channels=channels, pretrained=pretrained)
    return state, ()


def _focused(task: TrainingTask, state: TrainState, seed: int) -> TrainState:
    """Give the model what hides regions, where the arm has it: learned once, from its masks."""
    if ARMS[task.arm.arm].raw is None:
        return state
    inputs = _inputs(task)
    return with_focus(state, learn_focus(inputs, task.arm, seed=seed, stages=stages_for(task)))


def stages_for(task: TrainingTask) -> Stages | None:
    """Return what the task's mask predictors look through; None without pretrained weights."""
    data = task.pretrained.read_bytes() if task.pretrained else None
    channels = int(open_cache(task.images).shape[1])
    return pretrained_stages(task.plan.backbone, data, channels=channels, size=task.plan.size)


def _read(path: Path, task: TrainingTask) -> tuple[Plan, TrainState, tuple[EpochFigures, ...]]:
    try:
        return decode_checkpoint(path.read_bytes())
    except StoreError as error:
        raise StoreError(
            f"“{task.name}” can't go on from {path.parent.name}/{path.name}.",
            why=f"{error.what} {error.why}",
            fix="Restore that file from a copy, or delete it: what it held is then trained anew, "
            "from the plan. Nothing was changed.",
        ) from error


def _inputs(task: TrainingTask) -> ArmInputs:
    labels, codes = np.load(task.samples, allow_pickle=False)
    images = open_cache(task.images)
    none = MaskedImages({}, {})
    masked = none if task.edits is None else read_masked(task.edits)
    return ArmInputs(
        plan=task.plan,
        images=images,
        labels=labels,
        classes=task.classes,
        train=_rows_to_train(task, codes),
        validation=np.flatnonzero(codes == SPLIT_CODES.index(Split.VALIDATION)),
        mirrored=task.mirrored,
        edited=masked.edited,
        masks=masked.masks,
        predicted=masked.predicted,
        triage={} if task.triage is None else read_triage(task.triage),
        resident=cache_on_gpu(images, task.plan.device),
    )


def _rows_to_train(task: TrainingTask, codes: NDArray[np.int64]) -> NDArray[np.int64]:
    if task.subset is None:
        return np.flatnonzero(codes == SPLIT_CODES.index(Split.TRAIN))
    rows: NDArray[np.int64] = np.load(task.subset, allow_pickle=False)
    return rows


def _keep_dynamics(task: TrainingTask, report: EpochReport, seconds: float) -> None:
    """Keep an epoch's answers, and how long it took, of a study's first training alone."""
    if task.start is not None or task.subset is not None:
        return
    what = "The scores of an epoch"
    with full_disk(what):
        write_array(task.dynamics(report.figures.epoch), report.scores, what=what)
        known = epoch_seconds(task) | {report.figures.epoch: seconds}
        write_atomic(task.folder / _SECONDS, json.dumps(known).encode())


def epoch_seconds(task: TrainingTask) -> dict[int, float]:
    """Return how long each finished epoch of a first training took; {} where nobody measured."""
    path = task.folder / _SECONDS
    if not path.exists():
        return {}
    return {int(epoch): float(seconds) for epoch, seconds in json.loads(path.read_bytes()).items()}


def _keep_machine(task: TrainingTask) -> None:
    """Keep where the segment is trained, for whoever makes it again."""
    plan, known = task.plan, machines(task)
    this = training_machine(device=plan.device, threads=plan.threads, processes=world_size())
    if this not in known:
        with full_disk("The training"):
            task.folder.mkdir(parents=True, exist_ok=True)
            content = json.dumps([*known, this], indent=1).encode()
            write_atomic(task.folder / _MACHINES, content)


def machines(task: TrainingTask) -> tuple[dict[str, str], ...]:
    """Return every machine that trained a part of a segment; () where nobody noted it."""
    path = task.folder / _MACHINES
    return tuple(json.loads(path.read_bytes())) if path.exists() else ()


def _save(task: TrainingTask, state: TrainState, figures: tuple[EpochFigures, ...]) -> None:
    with full_disk("The checkpoint"):
        task.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(task.checkpoint, encode_checkpoint(task.plan, state, figures))
