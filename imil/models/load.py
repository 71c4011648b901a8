"""A model that was handed over, from a folder or the Hub, as the network that answers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled

# The client's own httpx, whatever that is called in its release.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # not in its __all__

from imil.core.nets.backbones import Classifier, build, load_weights
from imil.errors import WeightsError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# Seconds until the Hub has to say whether it has the model.
_ANSWER_SECONDS = 5.0
# The newest layout of `config.json` that this version reads.
_MODEL_SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model as it was handed over.

    Attributes:
        model: in eval mode; takes (N, channels, size, size) float32 in 0-1 and normalises inside.
        classes: names, in the order of its logits.
        channels: 1 or 3.
        size: side of the images, px.
        config: everything that was told of it.
    """

    model: Classifier
    classes: tuple[str, ...]
    channels: int
    size: int
    config: Mapping[str, Any]


def load_model(
    source: str | Path, *, endpoint: str | None = None, token: str | None = None
) -> LoadedModel:
    """Return the model of a folder, or of a model repo on the Hub.

    Args:
        source: a folder that is there, else `owner/name`.
        endpoint: of the Hub; None = the client's default.
        token: for the Hub; None = none is sent, not even one that the client would find.

    Raises:
        WeightsError: there is none, or it is damaged, newer or none of IMIL's.
    """
    folder = Path(source)
    if folder.is_dir():
        return _load(folder, str(source))
    with tempfile.TemporaryDirectory(prefix="imil-model-") as fetched:
        for name in (CONFIG, WEIGHTS):
            _fetch(str(source), name, Path(fetched), endpoint, token)
        return _load(Path(fetched), str(source))


def _fetch(repo: str, name: str, into: Path, endpoint: str | None, token: str | None) -> None:
    sent = token or False
    try:
        # One short question first: the download would wait and ask again for half a minute.
        url = hf_hub_url(repo, name, endpoint=endpoint)
        get_hf_file_metadata(url, timeout=_ANSWER_SECONDS, token=sent, endpoint=endpoint)
        hf_hub_download(repo, name, local_dir=into, endpoint=endpoint, token=sent)
    except EntryNotFoundError as error:
        raise _no_model(repo) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise WeightsError(
            f"There is no model {repo} to be had.",
            why=f"The Hub answered {status}: it is not there, or private to others.",
            fix="Check the id on its page; for a private one set HF_TOKEN.",
        ) from error
    except (httpx.TransportError, OfflineModeIsEnabled, OSError) as error:
        raise WeightsError(
            f"There is no model {repo} to be had.",
            why="It is no folder here, and the Hub could not be reached.",
            fix="Check the name, and the network.",
        ) from error
    except ValueError as error:  # the client's word for an id that can't be one
        raise _no_model(repo) from error


def _load(folder: Path, source: str) -> LoadedModel:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = (folder / WEIGHTS).read_bytes()
        version, classes = config["schema_version"], tuple(config["classes"])
        name, channels, size = config["backbone"], config["channels"], config["size"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_model(source) from error
    if version > _MODEL_SCHEMA:
        raise WeightsError(
            f"The model of {source} is of a newer version.",
            why=f"Its layout is {version}; this version of IMIL reads up to {_MODEL_SCHEMA}.",
            fix="Install a newer version of IMIL.",
        )
    model = build(name, classes=len(classes), channels=channels, size=size, seed=0)
    load_weights(model, weights)
    return LoadedModel(model.eval(), classes, channels, size, config)


def _no_model(source: str) -> WeightsError:
    return WeightsError(
        f"“{source}” holds no model of IMIL's.",
        why=f"Such a model is a {CONFIG} and a {WEIGHTS}.",
        fix="Name a folder or a model repo that has both, as a download or a push makes them.",
    )
