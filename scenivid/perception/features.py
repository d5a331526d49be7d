"""Feature networks with their published weights. A loader that can't have them raises; nothing is random.

Every loader returns a function of float RGB in [0, 1], [N, 3, H, W], without gradients.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.errors import CheckpointError, DependencyError
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.weights.published import Published, fetch_published

Features = Callable[[Tensor], Tensor]
"""Images [N, 3, H, W] in [0, 1] → vectors [N, D]."""
Distance = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images → one number a pair, [N]."""

NOT_AVAILABLE = "n/a (weights not available)"
ALEXNET = Published(
    "LPIPS backbone (AlexNet)",
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "alexnet-owt-7be5be79.pth",
    "7be5be79",
)
CLIP = Published(
    "CLIP ViT-B/32",
    "https://openaipublic.azureedge.net/clip/models/"
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
    "ViT-B-32.pt",
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
)
DINO = Published(
    "DINO ViT-B/16",
    "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
    "dino_vitbase16_pretrain.pth",
)
INCEPTION = Published(
    "Inception v3 (FID)",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    "inception-2015-12-05.pt",
)
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_pooled_efficientnet(device: torch.device) -> Features:
    """EfficientNet-Lite0's pooled vector [N, 1280] at the images' own size."""
    return torch.no_grad()(load_efficientnet(device).pooled)


def load_lpips(device: torch.device, download: bool = True) -> Distance:
    """LPIPS 0.1 on AlexNet (Zhang et al. 2018).

    Raises:
        DependencyError: the lpips package is missing.
        CheckpointError: AlexNet's weights can't be had, or are another network's.
    """
    try:
        import lpips
    except ImportError as exc:
        raise DependencyError("LPIPS needs the lpips package: pip install 'scenivid[eval]'") from exc
    path = fetch_published(ALEXNET, download)
    with warnings.catch_warnings():  # the package calls torchvision by a deprecated name
        warnings.simplefilter("ignore")
        # The linear layers come with the package; the backbone is built bare and filled below.
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    stored = _read_state(path)
    backbone = {name: f"features.{name.split('.', 1)[1]}" for name in network.net.state_dict()}
    missing = [theirs for theirs in backbone.values() if theirs not in stored]
    if missing:
        raise CheckpointError(f"{path} is not torchvision's AlexNet: {missing[0]} is missing")
    _fill(network.net, {ours: stored[theirs] for ours, theirs in backbone.items()}, path)
    network.eval().requires_grad_(False).to(device)

    @torch.no_grad()
    def distance(first: Tensor, second: Tensor) -> Tensor:
        result: Tensor = network(first.to(device), second.to(device), normalize=True)
        return result.reshape(-1).cpu()

    return distance


def load_clip(device: torch.device, download: bool = True) -> Features:
    """CLIP ViT-B/32's image embedding, unit length, [N, 512].

    Raises:
        CheckpointError: the weights can't be had, or are another network's.
    """
    import open_clip

    path = fetch_published(CLIP, download)
    state = _read_state(path)
    for name in ("input_resolution", "context_length", "vocab_size"):
        state.pop(name, None)
    network = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None)
    _fill(network, state, path)
    network.eval().requires_grad_(False).to(device)
    return partial(_embed, network.encode_image, device=device, mean=_CLIP_MEAN, std=_CLIP_STD)


def load_dino(device: torch.device, download: bool = True) -> Features:
    """DINO ViT-B/16's class token, unit length, [N, 768].

    Raises:
        DependencyError: timm is missing.
        CheckpointError: the weights can't be had, or are another network's.
    """
    try:
        import timm
    except ImportError as exc:
        raise DependencyError("DINO needs timm: pip install 'scenivid[eval]'") from exc
    path = fetch_published(DINO, download)
    network = timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=0)
    _fill(network, _read_state(path), path)
    network.eval().requires_grad_(False).to(device)
    return partial(_embed, network, device=device, mean=_IMAGENET_MEAN, std=_IMAGENET_STD)


def load_inception(device: torch.device, download: bool = True) -> Features:
    """FID's Inception v3 pooled vector [N, 2048], fed as clean-fid does (`resize_clean`, then (x−128)/128).

    Raises:
        CheckpointError: the weights can't be had or read.
    """
    path = fetch_published(INCEPTION, download)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layers = _open_script(path, device).eval().layers
    except (RuntimeError, AttributeError, ValueError) as exc:
        raise CheckpointError(f"{path} is not the published Inception TorchScript file") from exc

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


@torch.no_grad()
def _embed(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    device: torch.device,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    side: int = 224,
) -> Tensor:
    """Short side to 224, centre crop, normalise, embed, unit length."""
    height, width = images.shape[-2:]
    scale = side / min(height, width)
    size = (max(side, round(height * scale)), max(side, round(width * scale)))
    small = F.interpolate(images.to(device), size, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    crop = small[..., top : top + side, left : left + side]
    shape = (1, 3, 1, 1)
    normal = (crop - crop.new_tensor(mean).reshape(shape)) / crop.new_tensor(std).reshape(shape)
    return F.normalize(network(normal).float(), dim=1).cpu()


def _read_state(path: Path) -> dict[str, Tensor]:
    """A state dict, or that of a TorchScript archive (as CLIP is published)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except Exception:  # torch's errors for "this is TorchScript" differ between versions
                state = _open_script(path, "cpu").state_dict()
    except (RuntimeError, OSError, ValueError) as exc:
        raise CheckpointError(f"{path} can't be read as weights: delete it to download it again") from exc
    return dict(state)


def _open_script(path: Path, device: torch.device | str) -> torch.jit.ScriptModule:
    script: torch.jit.ScriptModule = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
    return script


def _fill(network: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as exc:
        raise CheckpointError(f"{path} holds other weights than {type(network).__name__} needs") from exc
