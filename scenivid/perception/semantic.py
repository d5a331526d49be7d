"""Encoders that know what is in a picture: embeddings of whole images, of places in them, and a distance.

All images are [N, 3, H, W] float RGB in [0, 1]; gradients reach the images, never the encoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.perception.boxes import pool_boxes
from scenivid.perception.efficientnet import EfficientNetLite0, load_efficientnet
from scenivid.perception.perceptual import unit_distance
from scenivid.perception.vgg import Vgg19, load_vgg19

EncoderName = Literal["efficientnet", "clip", "vgg19"]


class SemanticEncoder(Protocol):
    """A frozen network that knows what is in a picture."""

    name: str

    def global_embedding(self, x: Tensor) -> Tensor:
        """[N, D], L2-normalised."""

    def patch_embeddings(self, x: Tensor, boxes: Tensor) -> Tensor:
        """[N, K, D], L2-normalised. boxes: [K, 4] (left, top, right, bottom) as shares of W and H."""

    def distance(self, x: Tensor, reference: Tensor) -> Tensor:
        """Perceptual distance, a scalar averaged over the batch."""


class EfficientNetEncoder:
    """EfficientNet-Lite0: works offline.

    Args:
        shortest: images are enlarged so that their shorter side has at least this many pixels: below
            that, stride 16 leaves too few places.
    """

    name = "efficientnet"

    def __init__(self, network: EfficientNetLite0, shortest: int = 128) -> None:
        self.network, self.shortest = network, shortest

    def global_embedding(self, x: Tensor) -> Tensor:
        return F.normalize(self.network.pooled(_enlarge(x, self.shortest)))

    def patch_embeddings(self, x: Tensor, boxes: Tensor) -> Tensor:
        maps = self.network.forward_features(_enlarge(x, self.shortest))
        return pool_boxes(maps[2:4], boxes)

    def distance(self, x: Tensor, reference: Tensor) -> Tensor:
        both = self.network.forward_features(_enlarge(torch.cat([x, reference]), self.shortest))[1:4]
        return unit_distance(*zip(*(maps.chunk(2) for maps in both), strict=True))


class VggEncoder:
    """VGG19: conv4_4 averaged over the image or a box."""

    name = "vgg19"

    def __init__(self, network: Vgg19) -> None:
        self.network = network

    def global_embedding(self, x: Tensor) -> Tensor:
        return F.normalize(self.network.forward_features(x)[-1].mean((2, 3)))

    def patch_embeddings(self, x: Tensor, boxes: Tensor) -> Tensor:
        return pool_boxes(self.network.forward_features(x)[2:], boxes)

    def distance(self, x: Tensor, reference: Tensor) -> Tensor:
        both = self.network.forward_features(torch.cat([x, reference]))
        return unit_distance(*zip(*(maps.chunk(2) for maps in both), strict=True))


def open_encoder(
    name: EncoderName, device: torch.device | str = "cpu", weights: Path | None = None
) -> SemanticEncoder:
    """Load an encoder by name.

    Args:
        weights: the published file, where it can't be downloaded.

    Raises:
        CheckpointError: the weights can't be had; the message says where to put them.
        DependencyError: the package with the weights is missing.
    """
    if name == "efficientnet":
        return EfficientNetEncoder(load_efficientnet(device, weights))
    if name == "vgg19":
        return VggEncoder(load_vgg19(device, weights))
    if name == "clip":
        from scenivid.perception.clip_encoder import load_clip

        return load_clip(device, weights)
    raise ConfigError(f"no semantic encoder named {name!r}; choose efficientnet, clip or vgg19")


def unlearnt_encoder(name: EncoderName) -> SemanticEncoder:
    """One on the CPU whose weights are of no use: for sizes and memory."""
    if name == "efficientnet":
        return EfficientNetEncoder(EfficientNetLite0().requires_grad_(False).eval())
    if name == "vgg19":
        return VggEncoder(Vgg19().requires_grad_(False).eval())
    from scenivid.perception.clip_encoder import unlearnt_clip

    return unlearnt_clip()


def _enlarge(x: Tensor, shortest: int) -> Tensor:
    height, width = x.shape[-2:]
    scale = shortest / min(height, width)
    if scale <= 1:
        return x
    size = (round(height * scale), round(width * scale))
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
