"""The models in a `study.zip`, and what they answered."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imil.core.images import ImageSet
from imil.core.records import Plan, Split
from imil.core.training.fit import initial_state, restore
from imil.errors import ImilError
from imil.storage.codec import damaged, decode_checkpoint, read_json
from imil.storage.records.studies import StudyRecord
from imil.storage.values import from_json
from imil.study.library.zips.checks.files import is_work
from imil.study.library.zips.checks.refusals import STUDY_ZIP, require


def check_work(work: Path, record: StudyRecord, images: ImageSet) -> None:
    """Raise a StoreError if a model, or what it answered, is not one of this study's plan."""
    fits = _Fits(record.plan, images)
    for path in sorted(each for each in work.rglob("*") if each.is_file()):
        name = path.relative_to(work).as_posix()
        if name.startswith(("images/", "external/")) or not is_work(name):
            continue
        try:
            fits.check(name, path)
        except ImilError:
            raise
        # What a decoder makes of a stranger's bytes can be anything; all of it means the same.
        except Exception as cause:
            raise damaged(f"“{path.name}” in this study.zip") from cause


class _Fits:
    """Checks the files of models and answers against the plan and images of their study."""

    def __init__(self, plan: Plan, images: ImageSet) -> None:
        self._plan = plan
        self._images = images
        self._classes = len(images.classes)
        self._train = len(images.rows(Split.TRAIN))

    def check(self, name: str, path: Path) -> None:
        """Raise any exception if the file under that name is not what its name says."""
        rows, classes = len(self._images), self._classes
        side, channels = self._plan.size, self._images.channels
        shapes: dict[str, tuple[type[np.generic], tuple[int | None, ...]]] = {
            "logits.npy": (np.float32, (rows, classes)),
            "left_raw.npy": (np.bool_, (rows,)),
            "rows.npy": (np.int64, (None,)),
            "images.npy": (np.uint8, (None, channels, side, side)),
            "masks.npy": (np.bool_, (None, side, side)),
            "predicted.npy": (np.bool_, (rows, side, side)),
        }
        if path.name in shapes:
            self._array(path, *shapes[path.name])
        elif "/dynamics/" in name:
            self._array(path, np.float32, (self._train, classes))
        elif "/folds/" in name:
            self._rows(self._array(path, np.int64, (None,)))
        elif path.name.startswith("triage-"):
            self._rows(self._array(path, np.int64, (2, None))[0])
        elif path.suffix == ".npz":
            self._answers(path)
        elif path.suffix == ".json":
            self._told(path)
        elif path.parent.name == "weights":
            require(path.stem == self._plan.backbone)
            content = path.read_bytes()
            initial_state(self._plan, classes=classes, channels=channels, pretrained=content)
        else:
            self._checkpoint(path)
        if path.name == "logits.npy":
            require((path.parent / "checkpoint.safetensors").exists())
            require(bool(np.isfinite(np.load(path, mmap_mode="r", allow_pickle=False)).all()))
        if path.name == "rows.npy":
            self._masked(path.parent)

    def _array(self, path: Path, kind: type[np.generic], shape: tuple[int | None, ...]) -> Any:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        require(found.dtype == np.dtype(kind) and len(found.shape) == len(shape))
        # An arm that is given no mask has arrays of none, of no size.
        fits = zip(found.shape, shape, strict=True) if len(found) else ()
        require(all(wanted is None or size == wanted for size, wanted in fits))
        return found

    def _rows(self, rows: Any) -> None:
        require(bool(((rows >= 0) & (rows < len(self._images))).all()))

    def _masked(self, folder: Path) -> None:
        rows = np.load(folder / "rows.npy", allow_pickle=False)
        self._rows(rows)
        for name in ("images", "masks"):
            require(len(np.load(folder / f"{name}.npy", allow_pickle=False)) == len(rows))

    def _answers(self, path: Path) -> None:
        """Check each array of a probe, or of what it was answered, by what it can be at most."""
        most = max(len(self._images), 1) * max(self._plan.size**2, 64 * self._classes) + 2**16
        with zipfile.ZipFile(path) as archive:
            require(all(entry.file_size <= most for entry in archive.infolist()))
        with np.load(path, allow_pickle=False) as saved:
            for each in saved.files:
                found = saved[each]
                require(found.dtype.kind in "biuf")
                if each in {"rows", "donors"} and path.name.startswith("probe-"):
                    self._rows(found)

    def _told(self, path: Path) -> None:
        """Check where a segment was trained, or how long each epoch took."""
        content = path.read_bytes()
        require(len(content) <= 2**20)
        if path.name == "machines.json":
            # A list; what is in it is an object each.
            told = read_json(STUDY_ZIP, b'{"machines":' + content + b"}")["machines"]
            from_json(tuple[dict[str, str], ...], told)
        else:
            seconds = from_json(dict[str, float], read_json(STUDY_ZIP, content))
            require(all(int(epoch) > 0 for epoch in seconds))

    def _checkpoint(self, path: Path) -> None:
        plan, state, _ = decode_checkpoint(path.read_bytes())
        require(replace(self._plan, seed=plan.seed) == plan)
        require((state.classes, state.channels) == (self._classes, self._images.channels))
        restore(plan, state)
        floats = (each for each in state.tensors.values() if each.is_floating_point())
        require(all(bool(torch.isfinite(each).all()) for each in floats))
