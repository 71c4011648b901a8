"""The queues of a finished first training: what is offered for review, and from which scores."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from imil.core.records import Outlier, Queue, Region, Selection, Split
from imil.core.review.queues import (
    PERSISTENT_AT_LEAST,
    PERSISTENT_OF_LAST,
    Offered,
    find_outliers,
    high_loss,
    label_suspects,
    persistent_outliers,
    random_queue,
)
from imil.core.review.readers import usual_pooling
from imil.errors import PlanError
from imil.jobs.training.task import TrainingTask
from imil.study.dynamics import dynamics
from imil.study.review.maskbook import MaskBook, named
from imil.study.review.masksets import FEWEST_TO_PREDICT, Review
from imil.study.review.outoffold import held_out_scores
from imil.study.review.pooled import used
from imil.study.workspace import Workspace, read_logits

# How the mispredicted were found, in a sentence beside the figures.
FOUND = {
    Selection.IN_SAMPLE: "Mispredicted images were found in-sample, by the trained model.",
    Selection.OUT_OF_FOLD: "Mispredicted images were found out-of-fold, by models that never saw "
    "them.",
    Selection.PERSISTENT: "Mispredicted images were wrong in most of the last epochs of training.",
}
# An image of a queue, with the reason why it is in it.
Offer: TypeAlias = Outlier | Offered
_Key: TypeAlias = tuple[object, ...]


class QueueBook:
    """Makes each queue of one first training once; safe to use from several threads.

    `wrong_reason` takes seconds or minutes: it is made beside the others, which never wait for it.
    """

    def __init__(self, workspace: Workspace, masks: MaskBook) -> None:
        self._workspace = workspace
        self._masks = masks
        self._made: dict[_Key, tuple[Offer, ...]] = {}
        self._failed: dict[_Key, Exception] = {}
        self._begun: set[_Key] = set()
        self._making = threading.Lock()
        self._making_slowly = threading.Lock()

    def mispredicted(self, first: TrainingTask, selection: Selection) -> tuple[Outlier, ...]:
        """Return the mispredicted training images, worst first.

        Raises:
            PlanError: the scores for that selection are not there.
        """
        with self._making:
            key = (first.folder, Queue.MISPREDICTED, selection)
            if key not in self._made:
                self._made[key] = mispredicted(self._workspace, first, selection)
            return self._made[key]  # type: ignore[return-value]  # only outliers under such a key

    def queue(
        self, first: TrainingTask, kind: Queue, painted: tuple[str, ...]
    ) -> tuple[Offer, ...]:
        """Return any other queue, whole; `painted` names the masks that `wrong_reason` may use.

        Raises:
            PlanError: what the queue is read from is not there.
            MaskError: the masks contradict each other.
        """
        key = self._key(first, kind, painted)
        with self._making_slowly if kind is Queue.WRONG_REASON else self._making:
            if (failure := self._failed.pop(key, None)) is not None:
                raise failure
            if key not in self._made:
                # Of several readers as is usual, whatever they are pooled by for the comparison: so
                # that the queue stays.
                records = self._masks.by_name(painted)
                pooling = usual_pooling(len({named(record) for record in records}))
                regions = used(records, pooling).regions
                self._made[key] = read_queue(self._workspace, first, kind, regions)
            return self._made[key]

    def begin(self, first: TrainingTask, kind: Queue, painted: tuple[str, ...]) -> bool:
        """Return whether `queue` answers at once; if it would not, begin to make that queue.

        What fails meanwhile is raised by the next `queue`.
        """
        key = self._key(first, kind, painted)
        slow = kind is Queue.WRONG_REASON and len(painted) >= FEWEST_TO_PREDICT
        with self._making:
            if not slow or key in self._made or key in self._failed:
                return True
            if key not in self._begun:
                self._begun.add(key)
                threading.Thread(
                    target=self._make, args=(first, kind, painted), daemon=True
                ).start()
            return False

    def known(
        self, first: TrainingTask, kind: Queue, painted: tuple[str, ...]
    ) -> tuple[Offer, ...] | None:
        """Return the queue if it is cheap to have: all but `wrong_reason` are, or it is made."""
        if kind is not Queue.WRONG_REASON:
            return self.queue(first, kind, painted)
        return self._made.get(self._key(first, kind, painted))

    def _make(self, first: TrainingTask, kind: Queue, painted: tuple[str, ...]) -> None:
        key = self._key(first, kind, painted)
        try:
            self.queue(first, kind, painted)
        except Exception as failure:  # noqa: BLE001  # raised again where the queue is asked for
            self._failed[key] = failure
        finally:
            self._begun.discard(key)

    def _key(self, first: TrainingTask, kind: Queue, painted: tuple[str, ...]) -> _Key:
        return (first.folder, kind, painted if kind is Queue.WRONG_REASON else None)


def mispredicted(
    workspace: Workspace, first: TrainingTask, selection: Selection
) -> tuple[Outlier, ...]:
    """Return the `mispredicted` queue of a finished first training, worst first.

    Raises:
        PlanError: no scores of each epoch were kept, or nobody has trained the folds.
    """
    labels, ids = _training_images(workspace)
    if selection is Selection.PERSISTENT:
        scores = torch.from_numpy(dynamics(workspace, first))
        last = min(PERSISTENT_OF_LAST, len(scores))
        least = min(PERSISTENT_AT_LEAST, last)
        return persistent_outliers(scores, labels, ids, at_least=least, of_last=last)
    if selection is Selection.OUT_OF_FOLD:
        held_out = torch.from_numpy(held_out_scores(workspace, first))
        return find_outliers(held_out, labels, ids)
    return workspace.outliers(first)


def read_queue(
    workspace: Workspace, first: TrainingTask, kind: Queue, painted: Mapping[str, Region]
) -> tuple[Offer, ...]:
    """Return any queue but `mispredicted`, whole; `painted` are what `wrong_reason` may use.

    Raises:
        PlanError: what the queue is read from is not there.
    """
    labels, ids = _training_images(workspace)
    if kind is Queue.LABEL_SUSPECT:
        return label_suspects(torch.from_numpy(dynamics(workspace, first)), labels, ids)
    if kind is Queue.WRONG_REASON:
        if len(painted) < FEWEST_TO_PREDICT:
            raise _too_few_masks(len(painted))
        workspace.make_ready(first.plan)
        return _review(workspace, first).wrong_reasons(painted)
    scores = torch.from_numpy(read_logits(first)[workspace.rows(Split.TRAIN)])
    ranked = high_loss(scores, labels, ids, limit=len(ids))
    if kind is Queue.RANDOM:
        by_id = {offer.sample_id: offer for offer in ranked}
        # The purpose of the draw; the simulated clinician's random images come from the same one.
        rng = np.random.default_rng([first.plan.seed, 3])
        return tuple(by_id[sample_id] for sample_id in random_queue(ids, rng))
    return ranked


def _review(workspace: Workspace, first: TrainingTask) -> Review:
    """Return a review that paints nothing: what was painted is given to it."""
    return Review(workspace, first, (), lambda _: None, 0, simulated=False)


def _training_images(workspace: Workspace) -> tuple[NDArray[np.int64], list[str]]:
    rows = workspace.rows(Split.TRAIN)
    return workspace.images.labels[rows], [workspace.images.samples[row].sample_id for row in rows]


def _too_few_masks(painted: int) -> PlanError:
    return PlanError(
        f"Wrong reasons can't be found from {painted} of {FEWEST_TO_PREDICT} masks.",
        why="What is irrelevant in the other images is predicted from those that you masked.",
        fix="Mask two images of another queue first: mispredicted ones, or random ones.",
    )
