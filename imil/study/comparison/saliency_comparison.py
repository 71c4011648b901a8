"""Where the models of a round look on a few images: made once, beside the training."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from imil.core.arms.variants import CONTROL
from imil.core.evaluation.cases import broken, fixed
from imil.core.images import open_cache
from imil.core.nets.saliency import integrated_gradients
from imil.core.training.fit import predict, restore
from imil.errors import ComputeError, ImilError
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import decode_checkpoint
from imil.storage.local import write_atomic
from imil.study.comparison.results import Results, first_seed
from imil.study.comparison.segments import Segments
from imil.study.context import StudyContext
from imil.study.pictures import Pictures
from imil.study.workspace import Workspace

# What round 0 is called among the models of a round.
BEFORE_MASKS = "first"
# Images that are explained: a look at the difference, not a figure. Our choice.
_SHOWN = 3
LEVELS = 255


@dataclass(frozen=True, slots=True, eq=False)
class SaliencyComparison:
    """Where each model looks on one image, and what it says to it.

    Attributes:
        sample_id: which.
        label: class index it carries.
        fixed: whether the arm has it right and control wrong; else it is the other way round.
        maps: from a model's name to (S, S) uint8, `LEVELS` where it looks most.
        predicted: from the same names to the class index it says.
        confidence: and to its probability, 0-1.
    """

    sample_id: str
    label: int
    fixed: bool
    maps: Mapping[str, NDArray[np.uint8]]
    predicted: Mapping[str, int]
    confidence: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SaliencyRequest:
    """What to explain: images by id with whether they were fixed, and models by name, in order."""

    samples: tuple[tuple[str, bool], ...]
    models: tuple[tuple[str, TrainingTask], ...]


@dataclass(frozen=True, slots=True, eq=False)
class SaliencyComparisons:
    """Where round 0, control and the main arm look, on a few fixed and broken images."""

    _context: StudyContext
    _pictures: Pictures
    _segments: Segments
    _results: Results
    # Why maps could not be made, by their file.
    _failed: dict[Path, ImilError] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> tuple[SaliencyComparison, ...] | None:
        """Return the maps; None while they are not made, nothing where no image differs.

        Raises:
            ComputeError: they could not be made.
        """
        wanted = self._wanted()
        if wanted is None:
            return ()
        path = self._path(wanted)
        if path.exists():
            return read_saliency(self._context.workspace, wanted, path)
        if path in self._failed:
            raise self._failed[path]
        return None

    def make(self) -> None:
        """Make the maps of the comparison that is shown, unless they are there."""
        with self._making:
            wanted = self._wanted()
            if wanted is None or (path := self._path(wanted)).exists():
                return
            try:
                make_saliency(self._context.workspace, wanted, path)
            except ImilError as error:
                self._failed[path] = error
            except Exception:
                # The page says so; what went wrong is told in the log.
                self._failed[path] = saliency_failed_error()
                raise

    def _path(self, wanted: SaliencyRequest) -> Path:
        content = repr([(name, str(task.folder)) for name, task in wanted.models])
        key = hashlib.sha256(f"{content}{wanted.samples}".encode()).hexdigest()[:12]
        return self._context.first.folder.parent / f"looks-{key}.npz"

    def _wanted(self) -> SaliencyRequest | None:
        """Return what to explain; None for nothing."""
        found, asked, arm = self._results.shown(), self._results.asked(), self._results.main_arm()
        cases = self._results.cases()
        if found is None or asked is None or cases is None or arm is None:
            return None
        if arm not in cases.predicted or self._pictures.missing:
            return None
        samples = choose_images(
            [case.sample_id for case in fixed(cases, arm)],
            [case.sample_id for case in broken(cases, arm)],
        )
        names = (CONTROL, arm)
        models = [(name, first_seed(self._segments, found, asked, name)) for name in names]
        every = ((BEFORE_MASKS, self._context.first), *models)
        there = all(task.checkpoint.exists() for _, task in every)
        return SaliencyRequest(samples, every) if samples and there else None


def make_saliency(workspace: Workspace, wanted: SaliencyRequest, path: Path) -> None:
    """Explain every image by every model, by integrated gradients, and save the maps.

    Each model is explained for the class that it says itself.

    Raises:
        ComputeError: a model's answer is not a finite number.
    """
    rows = [workspace.images.position(sample_id) for sample_id, _ in wanted.samples]
    maps, scores = [], []
    for _, task in wanted.models:
        # For this thread; as many as training has, which leaves the server its core.
        torch.set_num_threads(task.plan.threads)
        plan, state, _ = decode_checkpoint(task.checkpoint.read_bytes())
        module = restore(plan, state)
        images = np.asarray(open_cache(task.images)[rows])
        maps.append(np.round(integrated_gradients(module, images) * LEVELS).astype(np.uint8))
        scores.append(predict(module, images).numpy())
    sink = io.BytesIO()
    np.savez_compressed(sink, maps=np.stack(maps), scores=np.stack(scores))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, sink.getvalue())


def read_saliency(
    workspace: Workspace, wanted: SaliencyRequest, path: Path
) -> tuple[SaliencyComparison, ...]:
    """Return what `make_saliency` saved."""
    with np.load(path, allow_pickle=False) as saved:
        maps, shares = saved["maps"], softmax(saved["scores"], axis=2)
    names = [name for name, _ in wanted.models]
    return tuple(
        SaliencyComparison(
            sample_id=sample_id,
            label=workspace.images.sample(sample_id).label,
            fixed=fixed,
            maps={name: maps[m, i] for m, name in enumerate(names)},
            predicted={name: int(shares[m, i].argmax()) for m, name in enumerate(names)},
            confidence={name: float(shares[m, i].max()) for m, name in enumerate(names)},
        )
        for i, (sample_id, fixed) in enumerate(wanted.samples)
    )


def choose_images(fixed: Sequence[str], broken: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Return the images to explain: mostly fixed ones, and one that was broken where there is."""
    worst = min(len(broken), 1 if fixed else _SHOWN)
    first = tuple((sample_id, True) for sample_id in fixed[: _SHOWN - worst])
    return (*first, *((sample_id, False) for sample_id in broken[: _SHOWN - len(first)]))[:_SHOWN]


def saliency_failed_error() -> ComputeError:
    """Return the error of maps that could not be made for a reason that the log tells."""
    return ComputeError(
        "Where the models look could not be computed.",
        why="It is a fault of the program; the details are in its log.",
        fix="The figures are not affected. Reload the page to try again.",
    )
