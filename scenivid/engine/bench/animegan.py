"""The shape of AnimeGANv2's generator (Chen et al. 2020), with random weights: a yardstick of speed only."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def _conv(inside: int, outside: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    padding = nn.ReflectionPad2d(kernel // 2)
    layer = nn.Conv2d(inside, outside, kernel, stride, groups=groups, bias=False)
    return nn.Sequential(padding, layer, nn.GroupNorm(1, outside), nn.LeakyReLU(0.2))


class _Inverted(nn.Module):
    """Inverted residual block of twice the width."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        wide = 2 * inside
        self.layers = nn.Sequential(
            _conv(inside, wide, 1),
            _conv(wide, wide, 3, groups=wide),
            nn.Conv2d(wide, outside, 1, bias=False),
            nn.GroupNorm(1, outside),
        )
        self.same = inside == outside

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.same else y


class Generator(nn.Module):
    """[N, 3, H, W] to the same; H and W multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(
            _conv(3, 32, 7), _conv(32, 64, 3, 2), _conv(64, 64), _conv(64, 128, 3, 2), _conv(128, 128)
        )
        blocks = [_Inverted(128, 256), *(_Inverted(256, 256) for _ in range(3))]
        self.middle = nn.Sequential(_conv(128, 128), *blocks, _conv(256, 128))
        self.at_half = nn.Sequential(_conv(128, 128), _conv(128, 128))
        self.at_full = nn.Sequential(_conv(128, 64), _conv(64, 64), _conv(64, 32, 7))
        self.last = nn.Sequential(nn.Conv2d(32, 3, 1, bias=False), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        y = self.at_half(F.interpolate(self.middle(self.down(x)), scale_factor=2.0, mode="bilinear"))
        result: Tensor = self.last(self.at_full(F.interpolate(y, scale_factor=2.0, mode="bilinear")))
        return result
