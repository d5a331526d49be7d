"""The generator of Scenimefy (Jiang et al., ICCV 2023): nine residual blocks, InstanceNorm, anti-aliased.

Layer for layer and key for key the network of the published checkpoints, 11,378,179 parameters at width 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from scenivid.errors import ConfigError
from scenivid.nets.blur import BlurDown, BlurUp
from scenivid.nets.norms import InstanceNorm


@dataclass(frozen=True)
class TranslatorParams:
    """Size of a Translator; the defaults are the paper's."""

    width: int = 64
    """Channels after the first convolution; doubled twice on the way down."""
    blocks: int = 9
    """Residual blocks at a quarter of the size."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.blocks < 1:
            raise ConfigError(f"translator: width {self.width} and blocks {self.blocks} must be at least 1")


class ResidualBlock(nn.Module):
    """x + IN(conv(ReLU(IN(conv(x))))), reflected at the border; nothing after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            InstanceNorm(),
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.conv_block(x)
        return x + residual


class Translator(nn.Module):
    """Image to image, [N, 3, H, W] in [-1, 1] to the same; H and W multiples of `multiple`, at least 8."""

    multiple = 4
    feature_layers = (0, 4, 8, 12, 16)

    def __init__(self, params: TranslatorParams | None = None) -> None:
        super().__init__()
        self.params = params = params or TranslatorParams()
        width = params.width
        self.model = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, width, 7),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            BlurDown(2 * width),
            nn.Conv2d(2 * width, 4 * width, 3, padding=1),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            BlurDown(4 * width),
            *(ResidualBlock(4 * width) for _ in range(params.blocks)),
            BlurUp(4 * width),
            nn.Conv2d(4 * width, 2 * width, 3, padding=1),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            BlurUp(2 * width),
            nn.Conv2d(2 * width, width, 3, padding=1),
            InstanceNorm(),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, 3, 7),
            nn.Tanh(),
        )
        initialise(self)

    @property
    def feature_channels(self) -> tuple[int, ...]:
        """Channels of what `encode` gives by default; the paper: (3, 128, 256, 256, 256)."""
        width = self.params.width
        return 3, 2 * width, 4 * width, 4 * width, 4 * width

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.model(x)
        return result

    def encode(self, x: Tensor, layers: Sequence[int] = feature_layers) -> list[Tensor]:
        """Outputs of the given layers of the sequence, for patch-wise losses; the rest isn't computed.

        Layer 0 is the padded image, 4 and 8 the raw convolutions, 12 to 20 the residual blocks, as in CUT
        (Park et al. 2020).

        Args:
            x: [N, 3, H, W] in [-1, 1].
            layers: Indices into the sequence, in any order.
        """
        return self._run(x, layers, max(layers) + 1)[1]

    def forward_with_features(
        self, x: Tensor, layers: Sequence[int] = feature_layers
    ) -> tuple[Tensor, list[Tensor]]:
        """What `forward` and `encode` give, from one pass."""
        return self._run(x, layers, len(self.model))

    def _run(self, x: Tensor, layers: Sequence[int], stop: int) -> tuple[Tensor, list[Tensor]]:
        features = {}
        for index, layer in enumerate(self.model[:stop]):
            x = layer(x)
            if index in layers:
                features[index] = x
        return x, [features[layer] for layer in layers]


def initialise(module: nn.Module, gain: float = 0.02) -> None:
    """Xavier normal weights and zero biases for every convolution and linear layer, in place."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_normal_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
