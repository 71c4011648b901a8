"""The object at a point or in a box of an image, by a SAM-family model from the Hub."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    StrictDataclassError,
    XetDownloadError,
)

# The client's own httpx, whatever that is called in its release.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # not in its __all__
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch.nn import functional

from imil.core.records import Region
from imil.errors import WeightsError, how_to_install

_FILES = ("config.json", "model.safetensors")
# Seconds until the Hub has to say whether it has the model.
_ANSWER_SECONDS = 5.0
# More than the largest of the family has, 2.6 GB.
_LARGEST_FILE = 3_000_000_000
_LARGEST_SIDE = 2048  # px of what the model is shown; the family's is 1024
# Images whose embedding is kept, 4 MB each. Our choice.
_KEPT = 16
# px of the longer side at which an outline is drawn; larger images get it in steps. Our choice.
_FINEST = 2048
# A click's object covers at most this share of an image: more is the ground. Our choice, as in the
# painter's own script.
_MOST = 0.6
# What is done meanwhile, or in its place.
_ELSE = "Until then Select goes by brightness and colour."
# What a file that is no model leads to.
_BROKEN = (OSError, ValueError, TypeError, AttributeError, KeyError, RuntimeError)
# What SAM was trained on, of 0-255: the mean and spread of ImageNet.
_MEAN = (123.675, 116.28, 103.53)
_SPREAD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True, eq=False)
class _Embedded:
    """An image as the model has taken it in: its embedding, and its size then, px."""

    values: torch.Tensor
    height: int
    width: int


@dataclass(slots=True)
class ObjectModel:
    """A model that outlines objects; loaded in the background when it is first asked.

    Only safetensors and a configuration are read from its repo, never code.

    Attributes:
        source: `owner/name` on the Hub, with `@revision` where one is pinned.
        cache: folder that keeps what was downloaded; what is in it is used with no network.
        device: "cpu" or "cuda".
        endpoint: of the Hub; None = the client's default.
        token: for the Hub; None = none is sent, not even one that the client would find.
    """

    source: str
    cache: Path
    device: str = "cpu"
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    _model: Any = None
    _trouble: WeightsError | None = None
    _loader: threading.Thread | None = None
    _kept: OrderedDict[bytes, _Embedded] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, image: NDArray[np.uint8], spot: Sequence[float]) -> Region | None:
        """Return the object at a spot.

        Args:
            image: (H, W) or (H, W, 3), as it is seen.
            spot: x and y of a click, or left, top, right and bottom of a box; px of the image.

        Returns:
            (H, W) bool, True = object; None where the model finds none.

        Raises:
            WeightsError: the model is not there yet, or can't be had; it is tried again.
        """
        if self._model is None:
            raise self._loading()
        with self._lock, torch.inference_mode():
            return self._outline(self._embedded(image), image.shape[:2], spot)

    def wait(self) -> None:
        """Return once the loading that was begun has ended, well or not."""
        if self._loader is not None:
            self._loader.join()

    def _loading(self) -> WeightsError:
        """Begin to load unless that is being done; return what to say meanwhile."""
        with self._lock:
            trouble, self._trouble = self._trouble, None
            if self._loader is None or not self._loader.is_alive():
                self._loader = threading.Thread(target=self._load, daemon=True)
                self._loader.start()
        return trouble or WeightsError(
            "The model for Select is being loaded.",
            why="That takes a while the first time.",
            fix=_ELSE,
        )

    def _load(self) -> None:
        try:
            self._model = self._read()
        except WeightsError as error:
            self._trouble = error
            sys.stderr.write(f"{error}\n")

    def _read(self) -> Any:
        try:
            from transformers import SamModel  # noqa: PLC0415  # an extra
            from transformers.utils import logging  # noqa: PLC0415  # the same
        except ImportError as error:
            raise self._unusable(
                "It needs packages that are not installed here.", how_to_install("sam")
            ) from error
        logging.disable_progress_bar()
        folder = self._fetched()
        try:
            config = json.loads((folder / _FILES[0]).read_text("utf-8"))
            side = config.get("vision_config", {}).get("image_size", 1024)
            if config.get("model_type") != "sam" or not 1 <= side <= _LARGEST_SIDE:
                raise self._unusable(f"{self.source} holds no SAM of that kind.")
            model, told = SamModel.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (*_BROKEN, SafetensorError, StrictDataclassError) as error:
            raise self._unusable(f"{self.source} can't be read.") from error
        if told["missing_keys"] or told["mismatched_keys"]:
            raise self._unusable(f"{self.source} lacks some of its weights.")
        # The commit: what `main` was on that day.
        sys.stderr.write(f"Select asks {self.source}, commit {folder.name}.\n")
        return model.eval().requires_grad_(requires_grad=False).to(self.device)

    def _fetched(self) -> Path:
        repo, _, revision = self.source.partition("@")
        where: dict[str, Any] = {"cache_dir": self.cache, "revision": revision or None}
        there: dict[str, Any] = {"endpoint": self.endpoint, "token": self.token or False}
        try:
            for name in _FILES:
                try:
                    path = hf_hub_download(repo, name, local_files_only=True, **where)
                except LocalEntryNotFoundError:
                    url = hf_hub_url(repo, name, revision=revision or None, endpoint=self.endpoint)
                    told = get_hf_file_metadata(url, timeout=_ANSWER_SECONDS, **there)
                    if (told.size or 0) > _LARGEST_FILE:
                        raise self._unusable(f"{name} is too large.") from None
                    path = hf_hub_download(repo, name, **where, **there)
        except HfHubHTTPError as error:
            raise self._unusable(
                f"The Hub answered {error.response.status_code} for {repo}."
            ) from error
        except (httpx.TransportError, XetDownloadError) as error:
            raise self._unusable("The Hub could not be reached.") from error
        except OSError as error:  # a full disk; also the client's offline mode and broken answers
            raise self._unusable(f"{repo} could not be fetched and kept.") from error
        return Path(path).parent

    def _unusable(self, why: str, fix: str = _ELSE) -> WeightsError:
        return WeightsError("There is no model for Select.", why=why, fix=fix)

    def _embedded(self, image: NDArray[np.uint8]) -> _Embedded:
        """Return what the model has taken in; of an image that was asked of before, at once."""
        shape = np.array(image.shape, np.int64).tobytes()
        key = hashlib.sha256(shape + np.ascontiguousarray(image).tobytes()).digest()
        found = self._kept.pop(key, None)
        self._kept[key] = found or self._embed(image)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _embed(self, image: NDArray[np.uint8]) -> _Embedded:
        side = self._model.config.vision_config.image_size
        pixels, height, width = prepared(image, side=side, device=self.device)
        return _Embedded(self._model.get_image_embeddings(pixels), height, width)

    def _outline(
        self, seen: _Embedded, size: tuple[int, ...], spot: Sequence[float]
    ) -> Region | None:
        scale = torch.tensor([seen.width / size[1], seen.height / size[0]] * (len(spot) // 2))
        asked = (torch.tensor(spot) * scale).float().to(self.device)
        if len(spot) == 2:
            labels = torch.ones(1, 1, 1, dtype=torch.long, device=self.device)
            prompt = {"input_points": asked.view(1, 1, 1, 2), "input_labels": labels}
        else:
            prompt = {"input_boxes": asked.view(1, 1, 4)}
        # A click may mean a part or the whole: three outlines, the model's favourite first.
        told = self._model(image_embeddings=seen.values, multimask_output=len(spot) == 2, **prompt)
        side = self._model.config.vision_config.image_size
        outlines = functional.interpolate(told.pred_masks[0].float(), (side, side), mode="bilinear")
        fine = [max(1, round(n * min(1, _FINEST / max(size)))) for n in size]
        part = outlines[..., : seen.height, : seen.width]
        masks = functional.interpolate(part, fine, mode="bilinear")[0].cpu().numpy()
        for at in told.iou_scores[0, 0].argsort(descending=True).tolist():
            region: Region = masks[at] > 0
            share = region.mean()
            if np.isfinite(masks[at]).all() and 0 < share <= (_MOST if len(spot) == 2 else 1):
                rows, columns = (np.arange(n) * few // n for n, few in zip(size, fine, strict=True))
                found: Region = region[rows][:, columns]
                return found
        return None


def prepared(
    image: NDArray[np.uint8], *, side: int, device: str = "cpu"
) -> tuple[torch.Tensor, int, int]:
    """Return an image as SAM takes it: (1, 3, side, side), with its own height and width in there.

    As the family's own preparation: the longer side fills it, the rest of the shorter one is 0.
    """
    colour = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    pixels = torch.tensor(colour, device=device).permute(2, 0, 1)[None].float()
    scale = side / max(image.shape[:2])
    height, width = (max(1, int(length * scale + 0.5)) for length in image.shape[:2])
    pixels = functional.interpolate(pixels, (height, width), mode="bilinear", antialias=True)
    mean, spread = (pixels.new_tensor(each).view(1, 3, 1, 1) for each in (_MEAN, _SPREAD))
    padded = functional.pad((pixels - mean) / spread, (0, side - width, 0, side - height))
    return padded, height, width
