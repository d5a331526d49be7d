"""StyleGAN2's residual discriminator with minibatch standard deviation."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from scenivid.errors import CheckpointError
from scenivid.nets.stylegan2 import StyleGAN2Params, load_state, read_checkpoint
from scenivid.nets.stylegan2_ops import BiasedLeakyReLU, Blur, EqualConv2d, EqualLinear

_GROUP = 4


def minibatch_deviation(x: Tensor, group: int = _GROUP) -> Tensor:
    """Append one channel: each group's standard deviation over samples, averaged over features and pixels.

    Karras et al., "Progressive Growing of GANs", 2018, section 3. Sample i belongs to group
    i mod (N / group size).

    Args:
        x: [N, C, H, W]; the group size is the largest divisor of N that is at most `group`.

    Returns:
        [N, C + 1, H, W].
    """
    count, _, height, width = x.shape
    size = next(g for g in range(min(group, count), 0, -1) if count % g == 0)
    grouped = x.reshape(size, count // size, *x.shape[1:]).float()
    deviation = (grouped.var(dim=0, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    plane = deviation.to(x.dtype).repeat(size)[:, None, None, None].expand(-1, 1, height, width)
    joined: Tensor = torch.cat([x, plane], dim=1)
    return joined


def _conv(inputs: int, outputs: int, size: int) -> nn.Sequential:
    return nn.Sequential(EqualConv2d(inputs, outputs, size, padding=size // 2), BiasedLeakyReLU(outputs))


class ResidualBlock(nn.Module):
    """Half the size: (conv3, blur + conv3 stride 2) added to (blur stride 2 + conv1), divided by √2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, inputs, 3)
        self.conv2 = nn.Sequential(
            Blur(2), EqualConv2d(inputs, outputs, 3, stride=2), BiasedLeakyReLU(outputs)
        )
        self.skip = nn.Sequential(Blur(1, stride=2), EqualConv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)
        return out


class Discriminator(nn.Module):
    """Images [N, 3, size, size] in [-1, 1] to logits [N]; higher means more real."""

    def __init__(self, params: StyleGAN2Params) -> None:
        super().__init__()
        self.params = params
        sides = params.resolutions[::-1]
        layers: list[nn.Module] = [_conv(3, params.channels(params.size), 1)]
        layers += [
            ResidualBlock(params.channels(a), params.channels(b)) for a, b in itertools.pairwise(sides)
        ]
        self.convs = nn.Sequential(*layers)
        width = params.channels(4)
        self.final_conv = _conv(width + 1, width, 3)
        self.final_linear = nn.Sequential(
            EqualLinear(width * 16, width, activation=True), EqualLinear(width, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        x = self.final_conv(minibatch_deviation(self.convs(image)))
        logits: Tensor = self.final_linear(x.flatten(1))
        return logits[:, 0]


def load_discriminator(path: Path, params: StyleGAN2Params) -> Discriminator:
    """The discriminator `d` of a rosinality-format checkpoint, on the CPU.

    Raises:
        CheckpointError: no such file, no `d` in it, or keys and shapes don't fit `params`.
    """
    state = read_checkpoint(path).get("d")
    if state is None:
        raise CheckpointError(f"{path}: holds no discriminator (key d); fine-tuning needs the source's own")
    discriminator = Discriminator(params)
    load_state(discriminator, state, str(path))
    return discriminator
