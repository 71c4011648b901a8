"""What a study's first training says: in each epoch, of an image as it is, and with a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil.core.nets.saliency import SaliencyMap
from imil.core.records import Region, Split
from imil.core.review.counterfactual import Answer
from imil.core.review.finding_check import FindingCheck
from imil.core.training.dynamics import fill_gaps
from imil.errors import PlanError
from imil.jobs.training.task import TrainingTask
from imil.study.context import StudyContext
from imil.study.library.demo import ShortcutFigures, shortcut_figures
from imil.study.review.answers import WarmModels
from imil.study.workspace import Workspace, read_curves, read_logits


@dataclass(frozen=True, slots=True)
class MaskAnswer:
    """What a trained model says of an image's label, as far as that is known.

    Attributes:
        model: first 12 hex digits of the SHA-256 of its checkpoint; "" where it can't be read.
        before: probability of the image's label as it is, 0-1; None where nobody knows.
        after: the same with a mask blacked out.
    """

    model: str = ""
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FirstModel:
    """The finished first training of a study, asked about single images."""

    _context: StudyContext

    def answer(self, sample_id: str, irrelevant: Region | None) -> Answer:
        """Return what the model says to an image as it is, and with a region blacked out.

        Raises:
            PlanError: nothing is trained yet.
            DataError: no such image.
            MaskError: the mask is not of the image's size.
        """
        context = self._context
        return self._warm.answer(context.workspace, context.trained(), sample_id, irrelevant)

    def check(
        self, sample_id: str, irrelevant: Region, elsewhere: Region | None = None
    ) -> FindingCheck | None:
        """Return whether a mask may hide the finding itself; None where there is nothing to hide.

        Args:
            sample_id: the image.
            irrelevant: (H, W) at the image's own size, True = hide.
            elsewhere: (S, S) at working size: what other masks suggest; see `Predictions.suggests`.

        Raises:
            PlanError, DataError, MaskError: as `answer`.
        """
        context = self._context
        first = context.trained()
        return self._warm.check(context.workspace, first, sample_id, irrelevant, elsewhere)

    def saliency(self, sample_id: str, irrelevant: Region | None = None) -> SaliencyMap:
        """Return where the model looks in an image, as it is or with a region blacked out.

        Raises:
            PlanError: nothing is trained yet, or the model can't be explained.
            DataError: no such image.
            MaskError: the mask is not of the image's size.
            ComputeError: the model's answer is not a finite number.
        """
        context = self._context
        return self._warm.saliency(context.workspace, context.trained(), sample_id, irrelevant)

    def shortcut_figures(self) -> ShortcutFigures | None:
        """Return how it does where the demo's marker misleads; None in any other study.

        Raises:
            PlanError: nothing is trained yet.
        """
        context = self._context
        logits = read_logits(context.trained())
        return shortcut_figures(context.record.source, context.images, logits)

    def said(self, first: TrainingTask, sample_id: str, irrelevant: Region) -> MaskAnswer:
        """Return the model and the label's probability before and after; none that can't be had."""
        try:
            answer = self._warm.answer(self._context.workspace, first, sample_id, irrelevant)
            before, after = answer.before[answer.label], answer.after[answer.label]
            return MaskAnswer(self._version(first), round(before, 6), round(after, 6))
        except Exception:  # noqa: BLE001  # the log goes on all the same, without the figures
            return MaskAnswer()

    def known(self, sample_id: str, irrelevant: Region) -> MaskAnswer:
        """Return what is known of the model's answer without asking it.

        Call it without the study's lock: it may have to read the checkpoint.
        """
        first = self._context.first
        try:
            known = self._warm.known_answer(first, sample_id, irrelevant)
            plain = known or self._warm.answer(self._context.workspace, first, sample_id, None)
            before = round(plain.before[plain.label], 6)
            after = None if known is None else round(known.after[known.label], 6)
            return MaskAnswer(self._version(first), before, after)
        except Exception:  # noqa: BLE001  # the log goes on all the same, without the figures
            return MaskAnswer()

    @property
    def _warm(self) -> WarmModels:
        return self._context.services.models

    def _version(self, first: TrainingTask) -> str:
        return self._warm.version_of(first.checkpoint)


def dynamics(workspace: Workspace, first: TrainingTask) -> NDArray[np.float32]:
    """Return (E, N_train, C): what the first training answered in each epoch, without gaps.

    An image that no epoch has shown (in very short trainings) has the trained model's answer.

    Raises:
        PlanError: the training was done before such scores were kept.
    """
    paths = [first.dynamics(epoch + 1) for epoch in range(len(read_curves(first)))]
    if not paths or not all(path.exists() for path in paths):
        raise PlanError(
            "The answers of each epoch were not kept.",
            why="Label suspects and persistence are read from how answers changed in training, and "
            "this model was trained by a version that did not keep them.",
            fix="Begin a new study of the same images, or use the mispredicted queue in-sample.",
        )
    epochs = np.stack([np.load(path, allow_pickle=False) for path in paths])
    return fill_gaps(epochs, read_logits(first)[workspace.rows(Split.TRAIN)])
