"""Perceptual distances between two pictures: VGG19's (the paper's), LPIPS, EfficientNet-Lite0's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import CheckpointError, DependencyError
from scenivid.perception.efficientnet import EfficientNetLite0, load_efficientnet
from scenivid.perception.vgg import Vgg19, load_vgg19
from scenivid.weights.catalogue import ALEXNET, VGG16
from scenivid.weights.published import load_published
from scenivid.weights.torch_file import read_state

Distance = Callable[[Tensor, Tensor], Tensor]
"""(image, reference), both [N, 3, H, W] float RGB in [0, 1], to a scalar averaged over the batch."""
PairDistance = Callable[[Tensor, Tensor], Tensor]
"""The same, but one number a pair, [N]."""
DistanceName = Literal["vgg19", "lpips", "efficientnet"]
_BACKBONES = {"alex": ALEXNET, "vgg": VGG16}


def open_distance(
    name: DistanceName,
    device: torch.device | str = "cpu",
    weights: Path | None = None,
) -> Distance:
    """A perceptual distance by name; gradients reach the images, never the network.

    - vgg19: mean squared error of conv4_4 (the paper's content loss).
    - lpips: learnt distance on VGG16.
    - efficientnet: `unit_distance` of EfficientNet-Lite0's maps at strides 4, 8 and 16.
    """
    if name == "lpips":
        lpips = load_lpips("vgg", device, weights)
        return lambda x, y: lpips(x, y).mean()
    if name == "vgg19":
        return _of_vgg(load_vgg19(device, weights))
    return _of_efficientnet(load_efficientnet(device, weights))


def unlearnt_distance(name: DistanceName) -> Distance:
    """One on the CPU whose weights are of no use: for sizes and memory."""
    if name == "lpips":
        network = _lpips("vgg").eval().requires_grad_(False)
        return lambda x, y: network(x, y, normalize=True).mean()
    if name == "vgg19":
        return _of_vgg(Vgg19().requires_grad_(False).eval())
    return _of_efficientnet(EfficientNetLite0().requires_grad_(False).eval())


def load_lpips(
    backbone: Literal["alex", "vgg"],
    device: torch.device | str = "cpu",
    weights: Path | None = None,
    download: bool = True,
) -> PairDistance:
    """LPIPS 0.1 (Zhang et al. 2018) on AlexNet or VGG16.

    Args:
        weights: torchvision's file of the backbone; None takes torch's cache.
        download: fetch the file if it isn't there.

    Raises:
        DependencyError: the lpips package is missing.
        CheckpointError: the backbone's weights can't be had, or are another network's.
    """
    network, published = _lpips(backbone), _BACKBONES[backbone]
    path, stored = load_published(published, read_state, download, weights)
    names = {name: f"features.{name.split('.', 1)[1]}" for name in network.net.state_dict()}
    missing = [theirs for theirs in names.values() if theirs not in stored]
    try:
        network.net.load_state_dict({ours: stored[theirs] for ours, theirs in names.items()})
    except (KeyError, RuntimeError) as exc:
        what = f"{missing[0]} is missing" if missing else "shapes differ"
        raise CheckpointError(f"{path} is not torchvision's {published.name}: {what}") from exc
    network.eval().requires_grad_(False).to(device)

    def distance(image: Tensor, reference: Tensor) -> Tensor:
        value: Tensor = network(image, reference, normalize=True)
        return value.reshape(-1)

    return distance


def unit_distance(maps: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """LPIPS without its learnt weights: Σ over maps of mean ‖a/|a| − b/|b|‖², channels normalised.

    Args:
        maps, reference: feature maps of the two images, pairwise [N, C, H, W].

    Returns:
        A scalar, 0 for equal maps, at most 4 per map.
    """
    terms = [
        (F.normalize(a, dim=1, eps=1e-6) - F.normalize(b, dim=1, eps=1e-6)).square().sum(1).mean()
        for a, b in zip(maps, reference, strict=True)
    ]
    return torch.stack(terms).sum()


def _of_vgg(vgg: Vgg19) -> Distance:
    return lambda x, y: F.mse_loss(vgg.forward_features(x)[-1], vgg.forward_features(y)[-1])


def _of_efficientnet(network: EfficientNetLite0) -> Distance:
    return lambda x, y: unit_distance(network.forward_features(x)[1:4], network.forward_features(y)[1:4])


def _lpips(backbone: Literal["alex", "vgg"]) -> Any:
    """The package's network: its linear layers come with it, the backbone is bare."""
    try:
        import lpips
    except ImportError as exc:
        raise DependencyError("LPIPS needs the lpips package: pip install 'scenivid[eval]'") from exc
    with warnings.catch_warnings():  # the package calls torchvision by a deprecated name
        warnings.simplefilter("ignore")
        return lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)
