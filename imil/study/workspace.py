"""A study's working folder: what is made from the images, and where each segment trains."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from imil.core.arms.registry import ARMS, MaskSource
from imil.core.arms.variants import CONTROL, Variant
from imil.core.evaluation.comparison import Trained, Validation, clusters_of
from imil.core.evaluation.groups import check_groups
from imil.core.evaluation.metrics import Explanation, check_classes
from imil.core.images import ImageSet, to_uint8, working_image, write_cache
from imil.core.nets.saliency import Explainer
from imil.core.records import EpochFigures, Outlier, Plan, Region, Sample, Split
from imil.core.review.masks import apply_blackout, working_region
from imil.core.review.queues import allowed_masks, find_outliers
from imil.errors import ComputeError, WeightsError
from imil.jobs.training.inputs import (
    MaskedImages,
    read_probe,
    write_masked,
    write_samples,
    write_triage,
)
from imil.jobs.training.task import TrainingTask, read_probe_answers
from imil.storage.codec import encode_region, read_checkpoint_figures
from imil.storage.local import write_atomic

# Side of the gallery's pictures, px: sharp on a phone at three a row.
THUMBNAIL = 192
# Grey level of what stands for a picture that is missing: neither film nor page.
BLANK = 128


@dataclass(frozen=True, slots=True, eq=False)
class Workspace:
    """Where the working images and segments of a study are.

    Attributes:
        folder: of this study alone.
        images: the study's images.
        cache: folder of the working-size images; studies of the same images may share one.
        making: held while the cache is made; shared by those who share the cache.
        asks_on: the device on which the app itself asks trained models; None for their plan's own.
    """

    folder: Path
    images: ImageSet
    cache: Path
    making: threading.Lock = field(default_factory=threading.Lock)
    asks_on: str | None = None

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Return the rows of a split."""
        return self.images.rows(split)

    def samples(self, split: Split) -> tuple[Sample, ...]:
        """Return the samples of a split, in row order."""
        return tuple(sample for sample in self.images.samples if sample.split is split)

    def prepare(self, plan: Plan) -> Iterator[int]:
        """Make the working images and labels that training reads, yielding how many are done.

        Raises:
            DataError: a class missing in a split, or a group missing in some images.
        """
        for split in Split:
            check_classes(self.images.labels[self.rows(split)], self.images.classes, split)
        check_groups([sample.group for sample in self.images.samples])
        with self.making:
            yield from write_cache(self.images, self._working_images(plan), size=plan.size)
        splits = tuple(sample.split for sample in self.images.samples)
        write_samples(self._samples, self.images.labels, splits)

    def make_ready(self, plan: Plan) -> None:
        """Make what training reads, unless it is there.

        A study that begins trained has no working images yet; and a cache may be lost.
        """
        if not (self._working_images(plan).exists() and self._samples.exists()):
            for _ in self.prepare(plan):
                pass

    def thumbnail(self, sample_id: str) -> Path:
        """Return a small JPEG of the image, made once."""
        row = self.images.position(sample_id)
        path = self.cache / "thumbnails" / f"{row:06d}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(to_uint8(self.images.original(sample_id)))
            image.thumbnail((THUMBNAIL, THUMBNAIL))
            unfinished = path.with_suffix(f".{secrets.token_hex(4)}.part")
            image.save(unfinished, "JPEG", quality=88)
            unfinished.replace(path)
        return path

    def blank(self) -> Path:
        """Return what stands for the small picture of an image that is missing, made once."""
        path = self.cache / "thumbnails" / "missing.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.new("L", (THUMBNAIL, THUMBNAIL), BLANK)
            unfinished = path.with_suffix(f".{secrets.token_hex(4)}.part")
            image.save(unfinished, "JPEG")
            unfinished.replace(path)
        return path

    def keep_pretrained(self, plan: Plan, fetch: Callable[[str], bytes]) -> str | None:
        """Keep the plan's pretrained weights beside the study, once.

        Returns:
            None where they are there or not wanted; else the sentence that says why the study
            starts from random weights.
        """
        path = self._pretrained(plan)
        if not plan.pretrained or path.exists():
            return None
        try:
            content = fetch(plan.backbone)
        except WeightsError as error:
            return (
                f"No pretrained weights. {error.what} {error.why} So {plan.backbone} starts from "
                "random weights, and accuracy will be lower."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
        return None

    def first_task(self, plan: Plan) -> TrainingTask:
        """Return round 0 of the plan's seed."""
        pretrained = self._pretrained(plan)
        return TrainingTask(
            name=f"first training, seed {plan.seed}",
            folder=self.folder / "segments" / f"seed-{plan.seed}" / "first",
            images=self._working_images(plan),
            samples=self._samples,
            plan=plan,
            arm=CONTROL,
            classes=len(self.images.classes),
            mirrored=self.images.mirrored,
            pretrained=pretrained if plan.pretrained and pretrained.exists() else None,
        )

    def arm_task(
        self,
        first: TrainingTask,
        arm: Variant,
        *,
        seed: int,
        masks_key: str | None,
        probe: Path | None = None,
        triage_key: str | None = None,
    ) -> TrainingTask:
        """Return an arm or variant of the round after `first`, from its checkpoint and plan.

        `masks_key` names one set of masks: the same masks give the same segment, which is then not
        trained twice. Control knows no masks, and without masks (None) an arm that needs them is
        control. `triage_key` does so for decisions on labels.
        """
        plan = replace(first.plan, seed=seed)
        home = first.folder.parent
        task = replace(first, name=f"{arm}, seed {seed}", plan=plan, probe=probe)
        task = replace(task, start=first.checkpoint, folder=home / f"{CONTROL}-{seed}")
        if ARMS[arm.arm].triage:
            if triage_key is None:
                return task
            folder, triage = home / f"{arm}-{triage_key}-{seed}", home / f"triage-{triage_key}.npy"
            return replace(task, arm=arm, folder=folder, triage=triage)
        if ARMS[arm.arm].masks is MaskSource.NONE:
            return replace(task, arm=arm, folder=home / f"{arm}-{seed}")
        if masks_key is None:
            return task
        folder, edits = home / f"{arm}-{masks_key}-{seed}", home / f"masks-{arm}-{masks_key}"
        return replace(task, arm=arm, folder=folder, edits=edits)

    def write_masked(
        self,
        task: TrainingTask,
        masks: Mapping[str, Region],
        *,
        predicted: NDArray[np.bool_] | None = None,
    ) -> None:
        """Save the task's masks: blacked out on the stored originals, then at working size."""
        if task.edits is None or (task.edits / "rows.npy").exists():
            return
        size, channels = task.plan.size, self.images.channels
        edited, regions = {}, {}
        for sample_id, irrelevant in masks.items():
            row = self.images.position(sample_id)
            pixels = apply_blackout(self.images.original(sample_id), irrelevant)
            edited[row] = working_image(pixels, size=size, channels=channels)
            regions[row] = working_region(irrelevant, size=size)
        write_masked(task.edits, MaskedImages(edited, regions, predicted))

    def write_triage(self, task: TrainingTask, triage: Mapping[int, int | None]) -> None:
        """Save the task's decisions on labels, by row."""
        if task.triage is not None and not task.triage.exists():
            write_triage(task.triage, triage)

    def masked(self, task: TrainingTask) -> tuple[str, ...]:
        """Return the ids of the images that are masked for a task."""
        if task.edits is None:
            return ()
        rows = np.load(task.edits / "rows.npy", allow_pickle=False)
        return tuple(self.images.samples[row].sample_id for row in rows)

    def outliers(self, first: TrainingTask) -> tuple[Outlier, ...]:
        """Return the `mispredicted` queue of a finished first training."""
        rows = self.rows(Split.TRAIN)
        scores = torch.from_numpy(read_logits(first)[rows])
        ids = [self.images.samples[row].sample_id for row in rows]
        return find_outliers(scores, self.images.labels[rows], ids)

    def allowed(self, plan: Plan) -> int:
        """Return how many training images the budget allows to paint."""
        return allowed_masks(plan.budget, len(self.rows(Split.TRAIN)))

    def trained(
        self,
        tasks: Sequence[TrainingTask],
        split: Split,
        *,
        masks: tuple[int, ...] = (),
        seconds: float | None = None,
    ) -> Trained:
        """Return one arm's outcome on a split, a task a seed.

        Args:
            tasks: finished ones.
            split: whose images.
            masks: images masked for the arm, a value a seed.
            seconds: what they cost a clinician; None where nobody measured.
        """
        rows = self.rows(split)
        readings = [of_split for task in tasks if (of_split := _readings(task, rows)) is not None]
        plain = Trained(
            logits=tuple(read_logits(task)[rows] for task in tasks),
            curves=tuple(read_curves(task) for task in tasks),
            masks=masks,
            seconds=seconds,
            left_raw=tuple(
                int(np.load(task.left_raw, allow_pickle=False)[rows].sum())
                for task in tasks
                if task.left_raw.exists()
            ),
        )
        if len(readings) < len(tasks):
            return plain
        shared = set.intersection(*(set(each.explained) for each in readings))
        return replace(
            plain,
            swapped=tuple(each.swapped for each in readings),
            same=tuple(each.same for each in readings if each.same is not None),
            other=tuple(each.other for each in readings if each.other is not None),
            explained={key: tuple(each.explained[key] for each in readings) for key in shared},
            explained_places=readings[0].places if shared else None,
        )

    def validation(self, trained: Mapping[Variant, Trained]) -> Validation:
        """Return arms' answers on validation with what is known of its images."""
        samples = self.samples(Split.VALIDATION)
        labels = np.array([sample.label for sample in samples], np.int64)
        return Validation(trained, labels, clusters_of(samples))

    @property
    def _samples(self) -> Path:
        return self.folder / "samples.npy"

    def _working_images(self, plan: Plan) -> Path:
        return self.cache / f"working-{plan.size}.npy"

    def _pretrained(self, plan: Plan) -> Path:
        return self.folder / "weights" / f"{plan.backbone}.safetensors"


def read_logits(task: TrainingTask) -> NDArray[np.float32]:
    """Return the (N, C) scores of every image that a finished segment left.

    Raises:
        ComputeError: they are gone, as when the study is deleted meanwhile.
    """
    try:
        logits: NDArray[np.float32] = np.load(task.logits, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as cause:
        raise ComputeError(
            "The answers of the trained model are gone.",
            why="The study was deleted, or its folder on this machine was removed.",
            fix="Open the study again; what is missing is then trained again.",
        ) from cause
    return logits


@dataclass(frozen=True, slots=True, eq=False)
class _SplitReadings:
    """Answers to the probe on one split; `places` (E,) are those of the explained images in it.

    `same` and `other` are there for the whole split or not at all.
    """

    swapped: NDArray[np.float32]
    same: NDArray[np.float32] | None
    other: NDArray[np.float32] | None
    explained: Mapping[tuple[Explainer, Explanation], NDArray[np.float64]]
    places: NDArray[np.int64]


def _readings(task: TrainingTask, rows: NDArray[np.int64]) -> _SplitReadings | None:
    """Return the answers on a split; None where not every image of it was asked about."""
    readings = read_probe_answers(task)
    if readings is None or task.probe is None:
        return None
    probe = read_probe(task.probe)
    asked = np.flatnonzero(np.isin(probe.rows, rows))
    if not np.array_equal(probe.rows[asked], rows):
        return None
    inside = np.isin(probe.explained, asked)
    own = np.flatnonzero(np.isin(probe.contrasted, asked))
    contrasted = np.array_equal(probe.contrasted[own], asked)
    return _SplitReadings(
        swapped=readings.swapped[:, asked],
        same=readings.same[:, own] if contrasted else None,
        other=readings.other[:, own] if contrasted else None,
        explained={key: values[inside] for key, values in readings.explained.items()},
        places=np.searchsorted(rows, probe.rows[probe.explained[inside]]),
    )


def read_curves(task: TrainingTask) -> tuple[EpochFigures, ...]:
    """Return the figures of a segment's finished epochs."""
    if not task.checkpoint.exists():
        return ()
    return read_checkpoint_figures(task.checkpoint)


def default_threads(*, headless: bool, jobs: int = 1) -> int:
    """Return the torch threads of one training: cores - 1 beside a server, all when headless.

    Two torch threads beside one busy process were 10-20 times slower than one.
    """
    cores = usable_cores()
    return max(1, cores // jobs if headless else cores - 1)


def usable_cores() -> int:
    """Return how many cores this process may use, or how many there are where that is unknown."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def regions_key(masks: Mapping[str, Region]) -> str | None:
    """Return a name for these very regions; None where there are none."""
    if not masks:
        return None
    content = hashlib.sha256()
    for sample_id in sorted(masks):
        content.update(sample_id.encode() + b"\0" + encode_region(masks[sample_id]))
    return content.hexdigest()[:12]
