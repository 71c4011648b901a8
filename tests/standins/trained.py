"""A study as it is after its first training, without the training: random weights answer too."""

from __future__ import annotations

import numpy as np

from imil.core.images import open_cache
from imil.core.records import Region
from imil.core.training.fit import initial_state, predict, restore
from imil.jobs.training.inputs import write_array
from imil.storage.codec import encode_checkpoint
from imil.study.study import Study


def as_if_trained(study: Study) -> Study:
    """Leave what a first training leaves: working images, a checkpoint, every image's scores."""
    for _ in study.context.workspace.prepare(study.plan):
        pass
    first, images = study.training.task, study.images
    state = initial_state(study.plan, classes=len(images.classes), channels=images.channels)
    first.folder.mkdir(parents=True)
    first.checkpoint.write_bytes(encode_checkpoint(study.plan, state, ()))
    scores = predict(restore(study.plan, state), open_cache(first.images))
    write_array(first.logits, scores.numpy())
    return study


def corner(study: Study, sample_id: str, *, side: int = 10) -> Region:
    """Return a mask that hides the upper left corner."""
    irrelevant = np.zeros(study.pictures.original(sample_id).shape[:2], np.bool_)
    irrelevant[:side, :side] = True
    return irrelevant
