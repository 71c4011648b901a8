"""Pretrained weights as safetensors bytes: from the Hub, or from a package that carries them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import safetensors.torch
import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import httpx

from imil.core.backbones import BACKBONES, Classifier, backbone, build
from imil.errors import WeightsError
