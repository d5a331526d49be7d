"""Perceptual networks and distances: VGG19 (the paper's), LPIPS, EfficientNet-Lite0 (needs no download)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.errors import CheckpointError, DependencyError
from scenivid.frames import to_signed
from scenivid.perception.efficientnet import load_efficientnet

Distance = Callable[[Tensor, Tensor], Tensor]
"""(image, reference), both [N, 3, H, W] float RGB in [0, 1], to a scalar averaged over the batch."""

VGG19_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
VGG_TAPS = {"conv1_2": 2, "conv2_2": 7, "conv3_4": 16, "conv4_4": 25}
"""Position in torchvision's `features`; the maps are taken before the ReLU."""
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class Vgg19(nn.Module):
    """VGG19 (Simonyan & Zisserman 2014) up to conv4_4; torchvision's names, `features.<i>`."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        import torchvision  # slow to import, and most runs don't need it

        super().__init__()
        self.features = torchvision.models.vgg19(weights=None).features[: VGG_TAPS["conv4_4"] + 1]
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # the taps before it are kept
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """The maps of `VGG_TAPS`, shallow to deep. x: [N, 3, H, W] float in [0, 1]."""
        y, maps = (x - self.mean) / self.std, []
        for index, layer in enumerate(self.features):
            y = layer(y)
            if index in VGG_TAPS.values():
                maps.append(y)
        return maps


def load_vgg19(device: torch.device | str = "cpu", weights: Path | None = None) -> Vgg19:
    """VGG19 with ImageNet weights: frozen, gradients flow to the input only.

    Args:
        weights: torchvision's file elsewhere; None downloads it once into torch's hub folder.

    Raises:
        CheckpointError: can't be downloaded (the message says where to put the file), or isn't VGG19.
    """
    stored = _published(VGG19_URL, weights)
    network = Vgg19()
    wanted = network.state_dict().keys()
    try:
        network.load_state_dict({name: value for name, value in stored.items() if name in wanted})
    except RuntimeError as exc:
        raise CheckpointError(f"{weights or VGG19_URL} doesn't hold VGG19's weights") from exc
    return network.requires_grad_(False).eval().to(device)


def load_lpips(device: torch.device | str = "cpu") -> Distance:
    """LPIPS on VGG16 (Zhang et al. 2018), by the `lpips` package.

    Raises:
        DependencyError: lpips isn't installed.
        CheckpointError: VGG16's weights can't be downloaded.
    """
    try:
        import lpips
    except ImportError as exc:
        raise DependencyError("LPIPS needs: pip install scenivid[eval]") from exc
    try:
        network = lpips.LPIPS(net="vgg", verbose=False)
    except OSError as exc:  # URLError is one
        raise CheckpointError(f"LPIPS needs torchvision's VGG16, which can't be fetched: {exc}") from exc
    network = network.requires_grad_(False).eval().to(device)

    def distance(image: Tensor, reference: Tensor) -> Tensor:
        value: Tensor = network(to_signed(image), to_signed(reference)).mean()
        return value

    return distance


def open_distance(
    name: Literal["vgg19", "lpips", "efficientnet"],
    device: torch.device | str = "cpu",
    weights: Path | None = None,
) -> Distance:
    """A perceptual distance by name.

    - vgg19: mean squared error of conv4_4 (the paper's content loss).
    - lpips: learnt distance on VGG16.
    - efficientnet: `unit_distance` of EfficientNet-Lite0's maps at strides 4, 8 and 16.
    """
    if name == "lpips":
        return load_lpips(device)
    if name == "vgg19":
        vgg = load_vgg19(device, weights)
        return lambda x, y: F.mse_loss(vgg.forward_features(x)[-1], vgg.forward_features(y)[-1])
    network = load_efficientnet(device, weights)
    return lambda x, y: unit_distance(network.forward_features(x)[1:4], network.forward_features(y)[1:4])


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


def _published(url: str, path: Path | None) -> dict[str, Any]:
    try:
        if path is not None:
            stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return stored
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, progress=False)
    except Exception as exc:  # URLError, hash mismatch, damaged file: many types, one remedy
        home = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
        raise CheckpointError(
            f"{path or url} can't be had ({exc}); put the file at {home} or give its path"
        ) from exc
