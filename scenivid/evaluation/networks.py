"""Published networks as they are used to measure: LPIPS, CLIP, DINO, Inception; what is missing is left out.

A loader that can't have its weights raises; nothing is random. All images are float RGB in [0, 1],
[N, 3, H, W]; no gradients; results come back to the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import CheckpointError, DependencyError
from scenivid.perception import perceptual
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.perception.vgg import IMAGENET_MEAN, IMAGENET_STD
from scenivid.weights.catalogue import DINO, INCEPTION
from scenivid.weights.published import load_published
from scenivid.weights.torch_file import open_script, read_state

Features = Callable[[Tensor], Tensor]
"""Images [N, 3, H, W] in [0, 1] → vectors [N, D]."""

NOT_AVAILABLE = "n/a (weights not available)"
_SIDE = 224
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Networks:
    """What could be loaded here; None where weights or package are missing."""

    lpips: perceptual.PairDistance | None = None
    clip: Features | None = None
    dino: Features | None = None


@dataclass(frozen=True, eq=False)
class Embedded:
    """Features of one moment's frames, [V, D] each."""

    clip: Tensor | None
    dino: Tensor | None


def load_networks(device: torch.device, download: bool = True) -> Networks:
    """Load each network whose published weights are cached or can be fetched; log what is missing."""
    networks = Networks(
        lpips=try_load(load_lpips, device, download),
        clip=try_load(load_clip, device, download),
        dino=try_load(load_dino, device, download),
    )
    missing = [name.upper() for name, network in vars(networks).items() if network is None]
    if missing:
        _log.info("not measured, weights are missing: %s (more with --verbose)", ", ".join(missing))
    return networks


def try_load(load: Callable[[torch.device, bool], _T], device: torch.device, download: bool) -> _T | None:
    """What `load` gives, or None where weights or package are missing; --verbose says which file to get."""
    try:
        return load(device, download)
    except (CheckpointError, DependencyError) as error:
        _log.debug("%s", error)
        return None


def embed(networks: Networks, frames: Tensor) -> Embedded:
    """Features of `frames`, [V, 3, H, W] in [0, 1], from the networks that are there."""
    return Embedded(
        clip=networks.clip(frames) if networks.clip else None,
        dino=networks.dino(frames) if networks.dino else None,
    )


def consistency(now: Tensor, before: Tensor, first: Tensor) -> Tensor:
    """½(cos(now, before) + cos(now, first)) of unit vectors, negative cosines as 0 (VBench); [V]."""
    return ((now * before).sum(1).clamp(min=0) + (now * first).sum(1).clamp(min=0)) / 2


def load_pooled_efficientnet(device: torch.device) -> Features:
    """EfficientNet-Lite0's pooled vector [N, 1280] at the images' own size."""
    return torch.no_grad()(load_efficientnet(device).pooled)


def load_lpips(device: torch.device, download: bool = True) -> perceptual.PairDistance:
    """LPIPS 0.1 on AlexNet: one number a pair, [N]; errors as in `perceptual.load_lpips`."""
    network = perceptual.load_lpips("alex", device, download=download)

    @torch.no_grad()
    def distance(first: Tensor, second: Tensor) -> Tensor:
        return network(first.to(device), second.to(device)).cpu()

    return distance


def load_clip(device: torch.device, download: bool = True) -> Features:
    """CLIP ViT-B/32's embedding of the central square, unit length, [N, 512].

    Raises:
        CheckpointError: the weights can't be had, or are another network's.
    """
    from scenivid.perception import clip_encoder  # imports open_clip: only where its weights are wanted

    encoder = clip_encoder.load_clip(device, download=download)

    @torch.no_grad()
    def features(images: Tensor) -> Tensor:
        return encoder.embed(_central(images.to(device))).cpu()

    return features


def load_dino(device: torch.device, download: bool = True) -> Features:
    """DINO ViT-B/16's class token for the central square, unit length, [N, 768].

    Raises:
        DependencyError: timm is missing.
        CheckpointError: the weights can't be had, or are another network's.
    """
    try:
        import timm
    except ImportError as exc:
        raise DependencyError("DINO needs timm: pip install 'scenivid[eval]'") from exc
    path, state = load_published(DINO, read_state, download)
    network = timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=0)
    try:
        network.load_state_dict(state)
    except RuntimeError as exc:
        raise CheckpointError(f"{path} doesn't hold DINO ViT-B/16's weights") from exc
    network.eval().requires_grad_(False).to(device)
    mean, std = (
        torch.tensor(values, device=device)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD)
    )

    @torch.no_grad()
    def features(images: Tensor) -> Tensor:
        return F.normalize(network((_central(images.to(device)) - mean) / std).float()).cpu()

    return features


def load_inception(device: torch.device, download: bool = True) -> Features:
    """FID's Inception v3 pooled vector [N, 2048], fed as clean-fid does (`resize_clean`, then (x−128)/128).

    Raises:
        CheckpointError: the weights can't be had or read.
    """
    path, script = load_published(INCEPTION, partial(open_script, device=device), download)
    layers = getattr(script.eval(), "layers", None)
    if layers is None:
        raise CheckpointError(f"{path} is not the published Inception TorchScript file")

    @torch.no_grad()
    def features(images: Tensor) -> Tensor:
        resized = torch.stack([resize_clean(image) for image in images]).to(device)
        result: Tensor = layers.forward((resized - 128) / 128)
        return result.reshape(len(images), -1).cpu()

    return features


def resize_clean(image: Tensor, side: int = 299) -> Tensor:
    """clean-fid's resize: each channel in float through PIL's antialiased bicubic filter, clipped to 0..255.

    Args:
        image: [3, H, W] in [0, 1].

    Returns:
        [3, side, side] in 0..255, not rounded.
    """
    from PIL import Image

    def channel(values: Tensor) -> np.ndarray:
        picture = Image.fromarray(np.ascontiguousarray((values * 255).float().cpu().numpy()))
        return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 255)

    return torch.from_numpy(np.stack([channel(values) for values in image]))


def _central(images: Tensor) -> Tensor:
    """Short side to 224, antialiased, and the central square of that: [N, 3, 224, 224]."""
    height, width = images.shape[-2:]
    scale = _SIDE / min(height, width)
    size = (max(_SIDE, round(height * scale)), max(_SIDE, round(width * scale)))
    small = F.interpolate(images, size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - _SIDE) // 2, (size[1] - _SIDE) // 2
    return small[..., top : top + _SIDE, left : left + _SIDE]
