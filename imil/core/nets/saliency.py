"""Where a prediction looks, by two explainers, and how much of that is the wrong place.

Explanations are secondary figures: correcting saliency does not track generalisation (Viviano et
al., ICLR 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from imil.core.evaluation.metrics import Interval, clustered_mean
from imil.core.nets.backbones import Classifier
from imil.core.training.device_images import to_float
from imil.errors import ComputeError, PlanError

# Points on the path from grey to image. Eight gave the maps of thirty-two on films (wrong-reason
# shares equal to .001); our choice, the paper's authors take 20 to 300.
PATH_STEPS = 8
# Images explained at once, and images of their paths in one backward pass (memory, not speed).
EXPLAIN_BATCH = 16
PATH_BATCH = 32
# What `Classifier.feature_maps` returns comes out of this part.
LAST_MAPS = "maps"
# How far a map is softened before a reader sees it, as a share of the side: 2 px of 64. Single
# pixels are noise; a marker is wider than this, and stays a marker. Our choice.
SOFTEN_SHARE = 1 / 32


class Explainer(StrEnum):
    """Ways to say where a prediction looks."""

    GRAD_CAM = "grad_cam"
    INTEGRATED_GRADIENTS = "integrated_gradients"


@dataclass(frozen=True, slots=True)
class Explained:
    """One explanation's figure over a split.

    Attributes:
        figure: its mean over the images that have a map, with a 95 % interval over patients.
        maps: how many maps there were, images times seeds.
        zero_maps: how many of them are zero everywhere, and so say nothing.
    """

    figure: Interval
    maps: int
    zero_maps: int


@dataclass(frozen=True, slots=True, eq=False)
class SaliencyMap:
    """Where a prediction looks in one image, as a reader sees it.

    Attributes:
        saliency: (S, S) float32, 0-1, at working size, softened.
        target: the class that is explained: the predicted one.
        explainers: which ways were used, multiplied.
    """

    saliency: NDArray[np.float32]
    target: int
    explainers: tuple[Explainer, ...]

    @property
    def zero(self) -> bool:
        """Whether the map is zero everywhere, and so says nothing."""
        return not self.saliency.any()


def grad_cam(
    module: nn.Module,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64] | None = None,
    *,
    layer: str = LAST_MAPS,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Return what speaks for the class in the feature maps: coarse, at two or three forward passes.

    Args:
        module: from `imil.core.nets.backbones.build`; left in eval mode.
        images: (N, C, S, S) uint8.
        targets: (N,) the class to explain; the predicted one if None.
        layer: the part of the module whose output, (B, F, h, w), is weighed.
        device: where the module is.

    Returns:
        (N, S, S) float32 in 0-1, each map divided by its largest value and enlarged bilinearly from
        (h, w). A map is zero everywhere where nothing speaks for the class.

    Raises:
        PlanError: the module or the layer has no feature maps to weigh, or only one cell.
        ComputeError: the classifier's answer is not a finite number.

    Source: Selvaraju et al., Grad-CAM (ICCV 2017), on the score before softmax, through captum.
    """
    net = _classifier(module, Explainer.GRAD_CAM).eval()
    part = _part(net, layer)
    # Imported here: captum brings matplotlib, a second that nobody else needs to wait.
    from captum.attr import LayerAttribution, LayerGradCam  # noqa: PLC0415  # slow to import

    explainer = LayerGradCam(net, part)

    def explain(inputs: Tensor, target: Tensor) -> Tensor:
        try:
            cells: Tensor = explainer.attribute(inputs, target=target, relu_attributions=True)
        except AssertionError as error:  # captum's way to say that the layer was not run
            raise _no_maps(layer, "It takes no part in the prediction.") from error
        if cells.ndim != inputs.ndim:
            raise _no_maps(layer, "Its output has no height and width.")
        if cells.shape[-2:].numel() == 1:
            raise PlanError(
                "Grad-CAM can't say where in these images the classifier looks.",
                why=f"At {inputs.shape[-1]} px its feature maps are a single cell.",
                fix="Use larger working images, or integrated gradients.",
            )
        whole: Tensor = LayerAttribution.interpolate(cells, inputs.shape[-2:], "bilinear")
        return whole

    return _explained(net, images, targets, explain, device)


def integrated_gradients(
    module: nn.Module,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64] | None = None,
    *,
    supporting: bool = False,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Return how much each pixel moves the class's score on the way from grey: fine, and slow.

    It costs 20 to 30 forward passes. The way has `PATH_STEPS` points from the grey (or colour) that
    the classifier takes for 0; a pixel counts by its magnitude, for or against the class. Both are
    our choice, measured on 128 test films of one film_net with a shortcut of .95: the share of
    magnitude outside the lungs had a rank correlation of .39 with what swapping that region really
    does to the score. It was .11 from the mean film, -.27 from black, -.46 for input x gradient,
    and -.29 to -.47 for plain and smoothed gradients. (From black, every black pixel counts 0,
    which would flatter a blacked-out image.) Grad-CAM's was .16.

    Args:
        module: from `imil.core.nets.backbones.build`; left in eval mode.
        images: (N, C, S, S) uint8.
        targets: (N,) the class to explain; the predicted one if None.
        supporting: only what speaks for the class counts; else what speaks against it as well.
        device: where the module is.

    Returns:
        (N, S, S) float32 in 0-1, summed over channels, each map divided by its largest value. A map
        is zero everywhere where no pixel moves the score, such as for an image as grey as the
        start.

    Raises:
        PlanError: the module is none of ours.
        ComputeError: the classifier's answer is not a finite number.

    Source: Sundararajan et al., Axiomatic Attribution for Deep Networks (ICML 2017), through
    captum.
    """
    net = _classifier(module, Explainer.INTEGRATED_GRADIENTS).eval()
    # Imported here for the same reason as in `grad_cam`.
    from captum.attr import IntegratedGradients  # noqa: PLC0415  # slow to import

    explainer = IntegratedGradients(net)

    def explain(inputs: Tensor, target: Tensor) -> Tensor:
        # A grey image of a classifier of colours has one channel: the mean of its three greys.
        grey = net.mean if net.mean.shape[1] == inputs.shape[1] else net.mean.mean(1, keepdim=True)
        moved: Tensor = explainer.attribute(
            inputs,
            grey.expand_as(inputs),
            target=target,
            n_steps=PATH_STEPS,
            internal_batch_size=PATH_BATCH,
        )
        if supporting:
            return moved.sum(1, keepdim=True).clamp_(min=0)
        return moved.abs().sum(1, keepdim=True)

    return _explained(net, images, targets, explain, device)


EXPLAINERS: Mapping[Explainer, Callable[..., NDArray[np.float32]]] = MappingProxyType(
    {Explainer.GRAD_CAM: grad_cam, Explainer.INTEGRATED_GRADIENTS: integrated_gradients}
)


def explain_image(module: nn.Module, image: NDArray[np.uint8], *, target: int) -> SaliencyMap:
    """Return where the module looks in one image, to be laid over it.

    Grad-CAM times the integrated gradients that speak for the class: the first says which part, the
    second where in it. Measured on 150 marked training films of the demo's film_net, by what hiding
    the mark's corner (.05 of the image) does to the class: the share of the map in the corner had
    a rank correlation of .90 with that, and where it did much, the map's peak lay there in .88 of
    the films. Grad-CAM alone: .85 and .00 (its maps are 4 × 4 cells). Integrated gradients alone:
    .64 and .39; by magnitude: .58 and .02, drawn to whatever is bright. Where Grad-CAM has but one
    cell, or is zero, the gradients stand alone. Softened by `SOFTEN_SHARE`, which is for the eye:
    figures are taken from each explainer's maps as they come. All of it is our choice.

    Args:
        module: from `imil.core.nets.backbones.build`, on the CPU; left in eval mode.
        image: (C, S, S) uint8.
        target: the class to explain.

    Raises:
        PlanError: the module is none of ours.
        ComputeError: the classifier's answer is not a finite number.
    """
    images, targets = image[None], np.array([target], np.int64)
    fine = integrated_gradients(module, images, targets, supporting=True)[0]
    try:
        both = fine * grad_cam(module, images, targets)[0]
    except PlanError:  # a single cell of maps
        both = np.zeros_like(fine)
    if both.any():
        return SaliencyMap(soften(both), target, tuple(Explainer))
    return SaliencyMap(soften(fine), target, (Explainer.INTEGRATED_GRADIENTS,))


def soften(saliency: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (S, S) map blurred over `SOFTEN_SHARE` of its side, and its largest value 1 again.

    A map that is zero everywhere stays so.
    """
    blurred: NDArray[np.float32] = gaussian_filter(saliency, SOFTEN_SHARE * saliency.shape[0])
    top = float(blurred.max())
    return blurred / np.float32(top) if top > 0 else blurred


def wrong_reason_share(
    saliency: NDArray[np.float32], irrelevant: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return how much of each map lies in the irrelevant region.

    Args:
        saliency: (N, S, S), 0 or above.
        irrelevant: (N, S, S).

    Returns:
        (N,) in 0-1; NaN where the map is zero everywhere. A map that is the same everywhere gives
        the coverage, so read it beside that.

    Raises:
        ValueError: if the shapes differ.
    """
    _check_shapes(saliency, irrelevant)
    mass = saliency.sum((1, 2), dtype=np.float64)
    inside = np.where(irrelevant, saliency, 0).sum((1, 2), dtype=np.float64)
    share: NDArray[np.float64] = np.full(len(mass), np.nan)
    np.divide(inside, mass, out=share, where=mass > 0)
    return share


def pointing_game(
    saliency: NDArray[np.float32], relevant: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return whether each map is greatest inside the relevant region.

    Args:
        saliency: (N, S, S), 0 or above.
        relevant: (N, S, S).

    Returns:
        (N,): 1 where it is, 0 where not, the share of hits among equally great pixels, NaN where
        the map is zero everywhere.

    Raises:
        ValueError: if the shapes differ.

    Source: Zhang et al., Excitation Backprop (IJCV 2018); no tolerance around the region, our
    choice: a lung field is no small target.
    """
    _check_shapes(saliency, relevant)
    top = saliency.max((1, 2), keepdims=True)
    greatest = saliency == top
    hits = (greatest & relevant).sum((1, 2)) / greatest.sum((1, 2))
    return np.where(top[:, 0, 0] > 0, hits, np.nan)


def explained(
    values: NDArray[np.float64], clusters: NDArray[np.int64], *, seed: int = 0
) -> Explained:
    """Return the summary of `wrong_reason_share` or `pointing_game` over a split.

    Args:
        values: (N,) or, a row a seed, (S, N); NaN where the map is zero everywhere.
        clusters: (N,) patient number of each image (its own number where the patient is unknown).
        seed: of the bootstrap.
    """
    zero_maps = int(np.isnan(values).sum())
    return Explained(clustered_mean(values, clusters, seed=seed), values.size, zero_maps)


def _classifier(module: nn.Module, explainer: Explainer) -> Classifier:
    if isinstance(module, Classifier):
        return module
    raise PlanError(
        f"{_name(explainer)} can't explain a {type(module).__name__}.",
        why="It asks for a classifier's feature maps and its mean grey, and this has neither.",
        fix="Use one of the backbones that a plan can name.",
    )


def _part(net: Classifier, layer: str) -> nn.Module:
    parts: dict[str, nn.Module] = dict(net.named_modules())
    if layer and layer in parts:
        return parts[layer]
    raise _no_maps(layer, "The classifier has no part of that name.")


def _no_maps(layer: str, why: str) -> PlanError:
    return PlanError(
        f"Grad-CAM can't use the layer “{layer}”.",
        why=why,
        fix=f"Name a layer that gives feature maps, such as “{LAST_MAPS}”, the last of them.",
    )


def _name(explainer: Explainer) -> str:
    return {Explainer.GRAD_CAM: "Grad-CAM"}.get(explainer, "Integrated gradients")


def _explained(
    net: Classifier,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64] | None,
    explain: Callable[[Tensor, Tensor], Tensor],
    device: str,
) -> NDArray[np.float32]:
    """Explain batch by batch; `explain` returns (B, 1, S, S), never below 0."""
    maps = np.zeros((len(images), *images.shape[2:]), np.float32)
    # A caller may be inside `inference_mode`, where nothing has a gradient.
    with torch.inference_mode(mode=False), torch.enable_grad():
        for rows in _batches(len(images)):
            inputs = to_float(images[rows]).to(device).requires_grad_()
            if targets is None:
                with torch.no_grad():
                    target = net(inputs).argmax(1)
            else:
                target = torch.from_numpy(targets[rows]).to(device)
            maps[rows] = explain(inputs, target)[:, 0].detach().float().cpu().numpy()
    if not np.isfinite(maps).all():
        raise ComputeError(
            "Where the classifier looks can't be said.",
            why="Its answer to an image is not a finite number.",
            fix="Train again with a lower learning rate.",
        )
    top = maps.max((1, 2), keepdims=True)
    scaled: NDArray[np.float32] = np.zeros_like(maps)
    np.divide(maps, top, out=scaled, where=top > 0)
    return scaled


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, EXPLAIN_BATCH):
        yield slice(start, min(start + EXPLAIN_BATCH, count))


def _check_shapes(saliency: NDArray[np.float32], region: NDArray[np.bool_]) -> None:
    if saliency.shape != region.shape:
        raise ValueError("saliency and region differ in shape")
