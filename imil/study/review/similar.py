"""Images that look alike to a study's model, and what stands against copying a mask to them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imil.core.disk import new_array, open_array
from imil.core.images import open_cache
from imil.core.records import Budget
from imil.core.review.similar import nearest, penultimate
from imil.core.training.fit import PREDICT_BATCH
from imil.errors import MaskError
from imil.jobs.training.task import TrainingTask
from imil.study.review.answers import WarmModels
from imil.study.workspace import Workspace

# Images that a reader is shown at once: few enough to look at each. Our choice.
SIMILAR = 5
# Of the checkpoint's content, in the name of the file of features.
IDENTITY = 16
# Of the file, for people.
WHAT = "What images look like to the model"


class Features:
    """The penultimate features of one study's first training, each image's made once.

    They are kept on disk beside the checkpoint, under a name that says which checkpoint they come
    from. Only the images that are compared are passed through the model: a study of 100,000 need
    not wait for all. Safe to use from several threads.
    """

    def __init__(self, workspace: Workspace, models: WarmModels) -> None:
        self._workspace = workspace
        self._models = models
        self._identities: dict[str, str] = {}
        self._writing = threading.Lock()

    def of(self, first: TrainingTask, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (len(rows), F) of images of a finished training."""
        # A study that begins trained has no working images yet.
        self._workspace.make_ready(first.plan)
        with self._writing:
            kept = self._open(first)
            # The last column says that a row is complete: a process may be killed while it writes.
            missing = rows[kept[rows, -1] != 1]
            images = open_cache(first.images)
            for start in range(0, len(missing), PREDICT_BATCH):
                part = missing[start : start + PREDICT_BATCH]
                with self._models.passing(first) as module:
                    kept[part, :-1] = penultimate(module, images[part])
                kept[part, -1] = 1
            kept.flush()
            found: NDArray[np.float32] = np.array(kept[rows, :-1])
            return found

    def _open(self, first: TrainingTask) -> np.memmap[tuple[int, int], np.dtype[np.float32]]:
        path = first.folder / f"features-{self._identity(first)}.npy"
        if not path.exists():
            with self._models.passing(first) as module:
                width = penultimate(module, open_cache(first.images)[:1]).shape[1]
            shape = (len(self._workspace.images), width + 1)
            with new_array(path, np.float32, shape, what=WHAT):
                pass  # zeros say that no row is complete
        return open_array(path, what=WHAT)

    def _identity(self, first: TrainingTask) -> str:
        """Return a name for the content of the checkpoint, which doesn't change any more."""
        name = str(first.checkpoint)
        if name not in self._identities:
            with first.checkpoint.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._identities[name] = digest[:IDENTITY]
        return self._identities[name]


def most_similar(
    features: Features,
    workspace: Workspace,
    first: TrainingTask,
    sample_id: str,
    candidates: Sequence[str],
    limit: int,
) -> tuple[str, ...]:
    """Return at most `limit` candidates, those that look most like an image to the model first."""
    if not candidates or limit < 1:
        return ()
    images = workspace.images
    rows = np.array([images.position(name) for name in (sample_id, *candidates)], np.int64)
    found = features.of(first, rows)
    return tuple(candidates[place] for place in nearest(found[1:], found[0], limit=limit))


def check_room(asked: int, room: int, budget: Budget) -> None:
    """Raise MaskError if a mask is copied to more images than the budget has room for."""
    if asked <= room:
        return
    left = "no image" if room < 1 else f"{room} more"
    raise MaskError(
        f"The budget has room for {left}, and {asked} were asked for.",
        why=f"{budget.painted} of {budget.allowed} images are masked; one place is kept for the "
        "image that the mask was painted on.",
        fix="Untick some of them, or compare with and without masks now.",
    )


def already_masked(title: str) -> MaskError:
    """Return the error of copying a mask to an image that has one."""
    return MaskError(
        f"“{title}” is masked already.",
        why="A copy never replaces a mask that somebody painted or accepted.",
        fix="Untick it, or open it and change its mask there.",
    )


def no_target() -> MaskError:
    """Return the error of copying a mask to no image."""
    return MaskError(
        "No image is ticked.",
        why="A mask is copied to the images that you tick.",
        fix="Tick one, or close this.",
    )


def too_small(title: str) -> MaskError:
    """Return the error of a mask of which nothing is left at another image's size."""
    return MaskError(
        f"The mask is too small for “{title}”.",
        why="At that image's size not one pixel of it is left.",
        fix="Untick it, or paint more.",
    )


def no_mask(title: str) -> MaskError:
    """Return the error of copying the mask of an image that has none."""
    return MaskError(
        f"“{title}” has no mask.",
        why="It is the accepted mask of an image that is copied to others.",
        fix="Mask it first.",
    )
