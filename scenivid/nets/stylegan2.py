"""StyleGAN2's generator (config F: weight demodulation, skip connections), and reading published checkpoints.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.stylegan2_ops import (
    BiasedLeakyReLU,
    EqualLinear,
    ModulatedConv2d,
    NoiseInjection,
    PixelNorm,
    Upsample,
)
from scenivid.weights.torch_file import read_torch

SIZES = (32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class StyleGAN2Params:
    """What fixes the shapes of a generator and its discriminator."""

    size: int = 256
    """Side of the image in pixels: 32, 64, 128, 256, 512 or 1024."""
    channel_multiplier: float = 2.0
    """2 is config F; below 1 every resolution shrinks (0.125: 64 channels up to 32 px), for toy sizes."""
    style_dim: int = 512
    mapping_layers: int = 8

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ConfigError(f"StyleGAN2 size must be one of {', '.join(map(str, SIZES))}; got {self.size}")
        if not 1 / 64 <= self.channel_multiplier <= 8:
            raise ConfigError(f"channel_multiplier must lie in 1/64..8; got {self.channel_multiplier}")
        if self.style_dim < 1 or self.mapping_layers < 1:
            raise ConfigError("style_dim and mapping_layers must be at least 1")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """4, 8, … size."""
        return tuple(2**i for i in range(2, self.size.bit_length()))

    @property
    def latents(self) -> int:
        """How many w vectors one image takes: two a resolution."""
        return 2 * len(self.resolutions)

    def channels(self, resolution: int) -> int:
        """Feature channels: 512 up to 32 px; from 64 px up 256 times the multiplier, halving."""
        if resolution <= 32:
            return max(1, round(512 * min(1.0, self.channel_multiplier)))
        return max(1, round(256 * self.channel_multiplier * 64 / resolution))


class ConstantInput(nn.Module):
    """The learned 4×4 start of every image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, count: int) -> Tensor:
        return self.input.expand(count, -1, -1, -1)


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, *, upsample: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, outputs, 3, style_dim, upsample=upsample)
        self.noise = NoiseInjection()
        self.activate = BiasedLeakyReLU(outputs)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        out: Tensor = self.activate(self.noise(self.conv(x, w), noise))
        return out


class ToRGB(nn.Module):
    """1×1 modulated convolution to RGB, added to the upsampled image so far."""

    def __init__(self, inputs: int, style_dim: int, *, upsample: bool = True) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(inputs, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Upsample() if upsample else None

    def forward(self, x: Tensor, w: Tensor, skip: Tensor | None = None) -> Tensor:
        out: Tensor = self.conv(x, w) + self.bias
        return out if skip is None or self.upsample is None else out + self.upsample(skip)


class Generator(nn.Module):
    """z → w by `style`; w and noise → image by `forward`."""

    def __init__(self, params: StyleGAN2Params) -> None:
        super().__init__()
        self.params = params
        dim = params.style_dim
        mapping = [EqualLinear(dim, dim, lr_mul=0.01, activation=True) for _ in range(params.mapping_layers)]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        width = params.channels(4)
        self.input = ConstantInput(width)
        self.conv1 = StyledConv(width, width, dim)
        self.to_rgb1 = ToRGB(width, dim, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        self.noises = nn.Module()
        for resolution in params.resolutions[1:]:
            inputs, width = width, params.channels(resolution)
            self.convs.append(StyledConv(inputs, width, dim, upsample=True))
            self.convs.append(StyledConv(width, width, dim))
            self.to_rgbs.append(ToRGB(width, dim))
        for i, side in enumerate(self.noise_sides):
            self.noises.register_buffer(f"noise_{i}", torch.randn(1, 1, side, side))

    @property
    def noise_sides(self) -> tuple[int, ...]:
        """Side of each noise plane: one at 4 px, two at every other resolution."""
        return tuple(side for side in self.params.resolutions for _ in range(2))[1:]

    def make_noise(self, count: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """Fresh noise planes [count, 1, side, side] on the weights' device, drawn on the generator's.

        Pass the same list to two networks to give them the same noise.
        """
        device = self.input.input.device
        drawn = device if generator is None else generator.device
        return [
            torch.randn(count, 1, side, side, generator=generator, device=drawn).to(device)
            for side in self.noise_sides
        ]

    def fixed_noise(self) -> list[Tensor]:
        """The noise planes stored with the weights, [1, 1, side, side]."""
        return [self.noises.get_buffer(f"noise_{i}") for i in range(len(self.noise_sides))]

    def forward(self, w: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Images from styles.

        Args:
            w: [N, style_dim] for one style throughout, or [N, latents, style_dim] for one a layer.
            noise: one plane a layer, from `make_noise` or `fixed_noise`.

        Returns:
            RGB, about [-1, 1] but unclamped, [N, 3, size, size].
        """
        if w.ndim == 2:
            w = w[:, None].expand(-1, self.params.latents, -1)
        x: Tensor = self.conv1(self.input(len(w)), w[:, 0], noise[0])
        image: Tensor = self.to_rgb1(x, w[:, 1])
        for i, to_rgb in enumerate(self.to_rgbs):
            first = 2 * i + 1
            x = self.convs[first - 1](x, w[:, first], noise[first])
            x = self.convs[first](x, w[:, first + 1], noise[first + 1])
            image = to_rgb(x, w[:, first + 2], image)
        return image

    def blocks(self) -> Iterator[tuple[int, list[nn.Module]]]:
        """(resolution, its modules), coarse to fine: what freezing and layer swapping count in."""
        yield 4, [self.input, self.conv1, self.to_rgb1]
        for i, resolution in enumerate(self.params.resolutions[1:]):
            yield resolution, [self.convs[2 * i], self.convs[2 * i + 1], self.to_rgbs[i]]


@torch.no_grad()
def mean_style(generator: Generator, count: int = 4096, rng: torch.Generator | None = None) -> Tensor:
    """The mean of `count` mapped latents, [1, style_dim]: the centre of truncation."""
    device = generator.input.input.device
    z = torch.randn(count, generator.params.style_dim, generator=rng).to(device)
    mean: Tensor = generator.style(z).mean(dim=0, keepdim=True)
    return mean


def truncate(w: Tensor, mean: Tensor, psi: float) -> Tensor:
    """Pull styles towards the mean: mean + psi·(w − mean). `psi` 1 changes nothing, 0 gives the mean."""
    return mean + psi * (w - mean)


def swap_layers(target: Generator, source: Generator, below: int) -> Generator:
    """A copy of `target` whose resolutions below `below` px (and mapping) come from `source`.

    Pinkney & Adler, "Resolution Dependent GAN Interpolation", 2020: coarse layers hold the layout.
    """
    if target.params != source.params:
        raise ConfigError(f"can't swap layers between {target.params} and {source.params}")
    swapped = Generator(target.params)
    swapped.load_state_dict(target.state_dict())
    swapped.style.load_state_dict(source.style.state_dict())
    for (resolution, mine), (_, theirs) in zip(swapped.blocks(), source.blocks(), strict=True):
        if resolution < below:
            for a, b in zip(mine, theirs, strict=True):
                a.load_state_dict(b.state_dict())
    return swapped.to(target.input.input.device).train(target.training)


def params_of(state: Mapping[str, Tensor], name: str = "checkpoint") -> StyleGAN2Params:
    """Read the shapes of a generator's state dict back into params.

    Raises:
        CheckpointError: it is no StyleGAN2 generator of the rosinality layout.
    """
    try:
        convs = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("convs."))
        mapping = max(int(key.split(".")[1]) for key in state if key.startswith("style."))
        size, last = 4 * 2 ** (convs // 2), state[f"convs.{convs - 1}.conv.weight"].shape[1]
        first, style_dim = state["input.input"].shape[1], state["style.1.weight"].shape[1]
        multiplier = last * size / (256 * 64) if size > 32 else first / 512
        return StyleGAN2Params(size, multiplier, style_dim, mapping)
    except (ValueError, KeyError, IndexError, ConfigError) as exc:
        expected = "a StyleGAN2 state dict with style.1…, input.input, conv1…, convs.N…"
        raise CheckpointError(f"{name}: expected {expected} ({type(exc).__name__}: {exc})") from exc


def load_state(module: nn.Module, state: Mapping[str, Tensor], name: str = "checkpoint") -> None:
    """Load strictly; noise planes that an older file lacks are the one exception.

    Raises:
        CheckpointError: a key is missing or foreign, or a shape differs; the message names the first few.
    """
    own = module.state_dict()
    state = {**{key: own[key] for key in own if key.startswith("noises.")}, **state}
    missing = sorted(own.keys() - state.keys())
    foreign = sorted(state.keys() - own.keys())
    unlike = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    problems = [
        f"{word} {', '.join(keys[:3])}{' …' if len(keys) > 3 else ''}"
        for word, keys in (("missing", missing), ("unknown", foreign), ("wrong shape of", unlike))
        if keys
    ]
    kernels = [key for key in own.keys() & state.keys() if key.endswith(".kernel") and key not in unlike]
    if any(not torch.allclose(own[key].cpu(), state[key].float().cpu(), atol=1e-4) for key in kernels):
        problems.append("a blur kernel other than [1, 3, 3, 1]")
    if problems:
        raise CheckpointError(f"{name} does not fit {type(module).__name__}: {'; '.join(problems)}")
    module.load_state_dict(state)


def read_checkpoint(path: Path) -> dict[str, dict[str, Tensor]]:
    """The networks of a rosinality-format file: state dicts by `g_ema`, `g` and `d`, those that it holds.

    The file is read without unpickling code (`weights_only`). Everything else in it is ignored.

    Raises:
        CheckpointError: not there, not a torch file, or none of the three keys in it.
    """
    # Published files keep the trainer's options beside the weights.
    content = read_torch(path, allowed=[argparse.Namespace])
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: expected a dict with g_ema, g or d; got {type(content).__name__}")
    found = {key: dict(content[key]) for key in ("g_ema", "g", "d") if isinstance(content.get(key), Mapping)}
    if not found:
        raise CheckpointError(
            f"{path}: expected g_ema, g or d; it holds {', '.join(map(str, content))[:200]}"
        )
    return found


def load_generator(path: Path, *, average: bool = True) -> Generator:
    """The generator of a checkpoint in eval mode on the CPU, its shapes read from the file.

    Args:
        average: prefer the moving average `g_ema` over `g`.

    Raises:
        CheckpointError: as `read_checkpoint`, or keys and shapes don't fit.
    """
    content = read_checkpoint(path)
    keys = ("g_ema", "g") if average else ("g", "g_ema")
    state = next((content[key] for key in keys if key in content), None)
    if state is None:
        raise CheckpointError(f"{path}: holds a discriminator but no generator (g_ema or g)")
    generator = Generator(params_of(state, str(path)))
    load_state(generator, state, str(path))
    return generator.eval()
