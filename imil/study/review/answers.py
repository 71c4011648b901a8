"""What the model says to an image, as it is or with a region hidden, and where it looks."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from imil.core.images import working_image
from imil.core.nets.saliency import SaliencyMap, explain_image
from imil.core.records import Pixels, Region
from imil.core.review.counterfactual import Answer, answer_of
from imil.core.review.finding_check import FindingCheck, check_finding, has_evidence, names_absence
from imil.core.review.masks import apply_blackout, check_mask_size, coverage
from imil.core.training.fit import predict, restore
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import decode_checkpoint
from imil.study.workspace import Workspace, read_logits

# What is kept warm of all studies of a process: a few models of 100 MB, and the originals that
# readers paint on now. Our choice.
MODEL_BYTES = 512 * 2**20
ORIGINAL_BYTES = 256 * 2**20
MAP_BYTES = 32 * 2**20  # of saliency, a few hundred images at 128 px
SCORE_BYTES = 64 * 2**20  # of some thousand demo studies
VERSIONS_KEPT = 4096
# Answers that readers have just been shown: whoever accepts a mask then needs no other pass.
ANSWERS_KEPT = 512

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """What was made last, up to a size in all; the newest is kept whatever its size.

    Args:
        limit: of the sizes' sum, such as bytes.
        size_of: of a value.
    """

    def __init__(self, limit: int, size_of: Callable[[V], int]) -> None:
        self._limit = limit
        self._size_of = size_of
        # Each with its size, which costs time to tell.
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._making = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of that key, making it if it is not kept.

        One is made at a time; whoever asks for what is kept does not wait for that.
        """
        if (found := self._found(key)) is not None:
            return found[0]
        with self._making:
            if (found := self._found(key)) is not None:
                return found[0]
            made = make()
            self._keep(key, made)
            return made

    def known(self, key: K) -> V | None:
        """Return the value of that key if it is kept."""
        found = self._found(key)
        return None if found is None else found[0]

    def _found(self, key: K) -> tuple[V, int] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: K, value: V) -> None:
        size = self._size_of(value)
        with self._lock:
            self._kept[key] = value, size
            self._size += size
            while len(self._kept) > 1 and self._size > self._limit:
                _, (_, freed) = self._kept.popitem(last=False)
                self._size -= freed


class WarmModels:
    """Models and originals that were asked for last; safe to use from several threads."""

    def __init__(
        self, *, model_bytes: int = MODEL_BYTES, original_bytes: int = ORIGINAL_BYTES
    ) -> None:
        self._models: Recent[str, nn.Module] = Recent(model_bytes, _module_bytes)
        self._originals: Recent[tuple[str, str], Pixels] = Recent(
            original_bytes, lambda pixels: pixels.nbytes
        )
        self._scores_before: Recent[str, NDArray[np.float32]] = Recent(
            SCORE_BYTES, lambda scores: scores.nbytes
        )
        self._maps: Recent[tuple[str, str], SaliencyMap] = Recent(
            MAP_BYTES, lambda one: one.saliency.nbytes
        )
        self._answers: Recent[tuple[str, str, str], Answer] = Recent(ANSWERS_KEPT, lambda _: 1)
        self._checks: Recent[tuple[str, str, str], FindingCheck] = Recent(ANSWERS_KEPT, lambda _: 1)
        self._versions: Recent[tuple[str, int], str] = Recent(VERSIONS_KEPT, lambda _: 1)
        # One pass at a time: torch threads beside each other are far slower than in turn.
        self._passing = threading.Lock()

    def answer(
        self, workspace: Workspace, first: TrainingTask, sample_id: str, irrelevant: Region | None
    ) -> Answer:
        """Return what a finished training says to an image, as it is and with a region hidden.

        One forward pass of one image, on the CPU; none where nothing is hidden, because the answer
        to the image as it is was kept when training ended. The edit is the one that training makes:
        blacked out on the stored original, then brought to working size.

        Args:
            workspace: of the study.
            first: the finished training.
            sample_id: any image of the study.
            irrelevant: (H, W) at the image's own size, True = hide; None for nothing.

        Raises:
            DataError: no such image.
            MaskError: the mask is of another size.
        """
        before, label = self._before(workspace, first, sample_id)
        edited = self._edited(workspace, first, sample_id, irrelevant)
        if irrelevant is None or edited is None:
            return answer_of(before, None, label=label, coverage=0.0)
        key = _answer_key(first, sample_id, irrelevant)
        known = self._answers.known(key)
        if known is not None:
            return known
        after = self._scores(first, edited)
        made = answer_of(before, after, label=label, coverage=coverage(irrelevant))
        return self._answers.get(key, lambda: made)

    def known_answer(
        self, first: TrainingTask, sample_id: str, irrelevant: Region
    ) -> Answer | None:
        """Return what `answer` has just returned for the same region; None where it was not asked.

        Costs no forward pass, and waits for none.
        """
        return self._answers.known(_answer_key(first, sample_id, irrelevant))

    def check(
        self,
        workspace: Workspace,
        first: TrainingTask,
        sample_id: str,
        irrelevant: Region,
        elsewhere: Region | None = None,
    ) -> FindingCheck | None:
        """Return whether a mask may hide the finding; None where there is nothing to hide.

        A forward pass or two, and twenty more where the label falls by enough: the same for the
        same regions whenever it is asked for. At working size, which costs little whatever the
        original's is.

        Args:
            workspace: of the study.
            first: the finished training.
            sample_id: any image of the study.
            irrelevant: (H, W) at the image's own size, True = hide.
            elsewhere: (S, S) at working size: what masks on other images suggest for this one.

        Raises:
            DataError, MaskError: as `answer`.
        """
        scores, label = self._before(workspace, first, sample_id)
        before = float(softmax(scores.astype(np.float64))[label])
        name = workspace.images.classes[label]
        # What misleads the model may be all that keeps the label's probability low.
        asked = has_evidence(name, before) if elsewhere is None else not names_absence(name)
        if not irrelevant.any() or not asked:
            return None
        checkpoint, _, region = _answer_key(first, sample_id, irrelevant)
        besides = "" if elsewhere is None else _digest(elsewhere)
        key = checkpoint, sample_id, region + besides
        known = self._checks.known(key)
        if known is not None:
            return known
        images, size = workspace.images, first.plan.size
        original = self._original(workspace, sample_id)
        check_mask_size(irrelevant, original.shape[:2])

        def shares(copies: NDArray[np.uint8]) -> NDArray[np.float64]:
            with self.passing(first) as module:
                scores = predict(module, copies).numpy()
            told: NDArray[np.float64] = softmax(scores.astype(np.float64), axis=1)[:, label]
            return told

        made = check_finding(
            working_image(original, size=size, channels=images.channels),
            working_image(irrelevant.astype(np.uint8) * 255, size=size, channels=1)[0] / 255,
            before=before,
            shares=shares,
            # By the region itself: the same mask is judged alike by whoever paints it.
            rng=np.random.default_rng(int(region[:16], 16)),
            elsewhere=None if elsewhere is None else elsewhere.astype(np.float64),
        )
        return self._checks.get(key, lambda: made)

    def version(self, first: TrainingTask) -> str:
        """Return the first 12 hex digits of the SHA-256 of a finished training's checkpoint."""
        return self._version(first.checkpoint)

    def version_of(self, checkpoint: Path) -> str:
        """Return the same of a file; "" where it can't be read."""
        try:
            return self._version(checkpoint)
        except OSError:
            return ""

    def _version(self, checkpoint: Path) -> str:
        def digest() -> str:
            with checkpoint.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()[:12]

        made = checkpoint.stat().st_mtime_ns
        return self._versions.get((str(checkpoint), made), digest)

    def saliency(
        self, workspace: Workspace, first: TrainingTask, sample_id: str, irrelevant: Region | None
    ) -> SaliencyMap:
        """Return where a finished training looks in an image, as it is or with a region hidden.

        The class that is explained is the one predicted of what is shown. On the CPU, at the price
        of some ten forward passes; the map of an image as it is is kept for a while.

        Args:
            workspace: of the study.
            first: the finished training.
            sample_id: any image of the study.
            irrelevant: (H, W) at the image's own size, True = hide; None for nothing.

        Raises:
            DataError: no such image.
            MaskError: the mask is of another size.
            PlanError: the model can't be explained.
            ComputeError: its answer is not a finite number.
        """
        edited = self._edited(workspace, first, sample_id, irrelevant)
        if edited is not None:
            target = int(np.argmax(self._scores(first, edited)))
            return self._explain(first, edited, target)
        scores, _ = self._before(workspace, first, sample_id)
        images, size = workspace.images, first.plan.size

        def explained() -> SaliencyMap:
            # From the original: a study that begins trained may have no working images yet.
            image = working_image(images.original(sample_id), size=size, channels=images.channels)
            return self._explain(first, image, int(np.argmax(scores)))

        return self._maps.get((str(first.checkpoint), sample_id), explained)

    def _before(
        self, workspace: Workspace, first: TrainingTask, sample_id: str
    ) -> tuple[NDArray[np.float32], int]:
        """Return the (C,) scores of an image as it is, and its label."""
        row = workspace.images.position(sample_id)
        # In memory, not mapped: what is mapped holds its file open for as long as it is kept.
        scores = self._scores_before.get(str(first.logits), lambda: np.array(read_logits(first)))
        return scores[row], workspace.images.samples[row].label

    def _edited(
        self, workspace: Workspace, first: TrainingTask, sample_id: str, irrelevant: Region | None
    ) -> NDArray[np.uint8] | None:
        """Return the (C, S, S) working image with a region hidden; None where nothing is."""
        if irrelevant is None:
            return None
        images, original = workspace.images, self._original(workspace, sample_id)
        irrelevant = check_mask_size(irrelevant, original.shape[:2])
        if not irrelevant.any():
            return None
        return working_image(
            apply_blackout(original, irrelevant), size=first.plan.size, channels=images.channels
        )

    def _original(self, workspace: Workspace, sample_id: str) -> Pixels:
        key = (str(workspace.folder), sample_id)
        return self._originals.get(key, lambda: workspace.images.original(sample_id))

    def _scores(self, first: TrainingTask, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the (C,) scores of one (C, S, S) image."""
        with self.passing(first) as module:
            scores: NDArray[np.float32] = predict(module, image[None])[0].numpy()
        return scores

    def _explain(self, first: TrainingTask, image: NDArray[np.uint8], target: int) -> SaliencyMap:
        with self.passing(first) as module:
            return explain_image(module, np.asarray(image), target=target)

    @contextmanager
    def passing(self, first: TrainingTask) -> Iterator[nn.Module]:
        """Give the model of a finished training, on the CPU, for one pass of a few images."""
        # By what it is, not where: all visitors' demo studies begin with the same one.
        module = self._models.get(self.version(first), lambda: _read_model(first))
        with self._passing:
            # For this thread; as many as training has, which leaves the server its core.
            torch.set_num_threads(first.plan.threads)
            yield module


def _answer_key(first: TrainingTask, sample_id: str, irrelevant: Region) -> tuple[str, str, str]:
    return str(first.checkpoint), sample_id, _digest(irrelevant)


def _digest(region: Region) -> str:
    return hashlib.sha256(np.packbits(region).tobytes()).hexdigest()


def _read_model(first: TrainingTask) -> nn.Module:
    plan, state, _ = decode_checkpoint(first.checkpoint.read_bytes())
    return restore(plan, state)


def _module_bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())
