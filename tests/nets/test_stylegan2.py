"""StyleGAN2: formulas against slow oracles, the layout of published checkpoints, determinism."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.stylegan2 import (
    Generator,
    StyleGAN2Params,
    load_generator,
    mean_style,
    params_of,
    swap_layers,
    truncate,
)
from scenivid.nets.stylegan2_discriminator import Discriminator, load_discriminator, minibatch_deviation
from scenivid.nets.stylegan2_ops import ModulatedConv2d, Upsample, binomial_kernel, blur

TOY = StyleGAN2Params(size=32, channel_multiplier=1 / 64, style_dim=16)


def _expected_keys(size: int) -> set[str]:
    """The generator's keys, written out from the layout of the published files."""
    modulated = ("weight", "modulation.weight", "modulation.bias")
    styled = [f"conv.{name}" for name in modulated] + ["noise.weight", "activate.bias"]
    rgb = ["bias"] + [f"conv.{name}" for name in modulated]
    keys = {f"style.{i}.{name}" for i in range(1, 9) for name in ("weight", "bias")} | {"input.input"}
    keys |= {f"conv1.{name}" for name in styled} | {f"to_rgb1.{name}" for name in rgb}
    steps = size.bit_length() - 3
    for i in range(2 * steps):
        keys |= {f"convs.{i}.{name}" for name in styled}
        keys |= {f"convs.{i}.conv.blur.kernel"} if i % 2 == 0 else set()
    for i in range(steps):
        keys |= {f"to_rgbs.{i}.{name}" for name in [*rgb, "upsample.kernel"]}
    return keys | {f"noises.noise_{i}" for i in range(2 * steps + 1)}


def _expected_discriminator_keys(size: int) -> set[str]:
    block = ["conv1.0.weight", "conv1.1.bias", "conv2.0.kernel", "conv2.1.weight", "conv2.2.bias"]
    block += ["skip.0.kernel", "skip.1.weight"]
    keys = {"convs.0.0.weight", "convs.0.1.bias", "final_conv.0.weight", "final_conv.1.bias"}
    keys |= {f"convs.{i}.{name}" for i in range(1, size.bit_length() - 2) for name in block}
    return keys | {f"final_linear.{i}.{name}" for i in (0, 1) for name in ("weight", "bias")}


@pytest.mark.parametrize("size", [32, 64, 256])
def test_keys_are_those_of_the_published_layout(size: int) -> None:
    params = StyleGAN2Params(size, 1 / 64, 8)
    assert set(Generator(params).state_dict()) == _expected_keys(size)
    assert set(Discriminator(params).state_dict()) == _expected_discriminator_keys(size)


def _generator_count(channels: dict[int, int], dim: int) -> int:
    """Parameters by arithmetic on the paper's architecture alone."""

    def modulated(a: int, b: int, side: int) -> int:
        return a * b * side**2 + dim * a + a

    total = 8 * (dim * dim + dim) + channels[4] * 16
    previous = channels[4]
    for side, width in channels.items():
        if side > 4:
            total += modulated(previous, width, 3) + 1 + width
        total += modulated(width, width, 3) + 1 + width + modulated(width, 3, 1) + 3
        previous = width
    return total


def _discriminator_count(channels: dict[int, int]) -> int:
    sides = sorted(channels, reverse=True)
    total = 3 * channels[sides[0]] + channels[sides[0]]
    for a, b in itertools.pairwise(sides):
        c, d = channels[a], channels[b]
        total += 9 * c * c + c + 9 * c * d + d + c * d
    last = channels[4]
    return total + 9 * (last + 1) * last + last + 16 * last * last + last + last + 1


def test_config_f_has_the_published_number_of_parameters() -> None:
    channels = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128}
    with torch.device("meta"):
        generator, discriminator = Generator(StyleGAN2Params(256)), Discriminator(StyleGAN2Params(256))
    counts = [sum(p.numel() for p in net.parameters()) for net in (generator, discriminator)]
    assert counts == [_generator_count(channels, 512), _discriminator_count(channels)]
    assert counts == [30_034_338, 28_864_129]


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512, 1024])
def test_every_size_gives_images_of_that_size(size: int) -> None:
    params = StyleGAN2Params(size, 1 / 64, 4, 1)
    generator = Generator(params)
    image = generator(torch.randn(1, 4), generator.fixed_noise())
    assert image.shape == (1, 3, size, size)
    assert Discriminator(params)(image).shape == (1,)


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(ConfigError, match="32, 64"):
        StyleGAN2Params(size=48)
    with pytest.raises(ConfigError, match="channel_multiplier"):
        StyleGAN2Params(channel_multiplier=0)


def _filter_by_hand(x: Tensor, kernel: Tensor) -> Tensor:
    """Filter each plane with a 4×4 kernel, no padding."""
    height, width = x.shape[-2] - 3, x.shape[-1] - 3
    out = torch.zeros(*x.shape[:2], height, width)
    for i in range(4):
        for j in range(4):
            out += kernel[i, j] * x[..., i : i + height, j : j + width]
    return out


@pytest.mark.parametrize("stride", [1, 2])
def test_blur_is_the_padded_binomial_filter(device: torch.device, stride: int) -> None:
    x = torch.randn(2, 3, 9, 8)
    expected = _filter_by_hand(F.pad(x, (2, 2, 2, 2)), binomial_kernel(4.0))[..., ::stride, ::stride]
    torch.testing.assert_close(blur(x.to(device), 2, stride=stride, gain=4.0).cpu(), expected)


@pytest.mark.parametrize(("padding", "stride"), [(1, 1), (2, 1), (1, 2)])
def test_blur_can_be_differentiated_twice(padding: int, stride: int) -> None:
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)

    def squared(x: Tensor) -> Tensor:  # so that the second derivative isn't zero
        return blur(x, padding, stride=stride, gain=2.0).square()

    assert torch.autograd.gradcheck(squared, (x,))
    assert torch.autograd.gradgradcheck(squared, (x,))


def test_upsample_is_zero_insertion_then_the_filter() -> None:
    x = torch.randn(2, 3, 5, 6)
    spread = torch.zeros(2, 3, 10, 12)
    spread[..., ::2, ::2] = x
    expected = _filter_by_hand(F.pad(spread, (2, 1, 2, 1)), binomial_kernel(4.0))
    torch.testing.assert_close(Upsample()(x), expected)
    # A constant stays constant away from the border: the gain of 4 makes up for the inserted zeros.
    torch.testing.assert_close(Upsample()(torch.ones(1, 1, 6, 6))[..., 2:-2, 2:-2], torch.ones(1, 1, 8, 8))


@pytest.mark.parametrize(("demodulate", "upsample"), [(True, False), (True, True), (False, False)])
def test_modulated_convolution_equals_a_loop_over_samples(demodulate: bool, upsample: bool) -> None:
    conv = ModulatedConv2d(5, 4, 3, 7, demodulate=demodulate, upsample=upsample).double()
    x, w = torch.randn(3, 5, 6, 6).double(), torch.randn(3, 7).double()
    out = conv(x, w)
    for n in range(3):
        style = conv.modulation.weight @ w[n] / 7**0.5 + conv.modulation.bias
        weight = conv.weight[0] / (5 * 9) ** 0.5 * style[None, :, None, None]
        if demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if upsample:
            full = F.conv_transpose2d(x[n : n + 1], weight.transpose(0, 1), stride=2)
            expected = _filter_by_hand(F.pad(full, (1, 1, 1, 1)), binomial_kernel(4.0).double())
        else:
            expected = F.conv2d(x[n : n + 1], weight, padding=1)
        torch.testing.assert_close(out[n : n + 1], expected.to(out.dtype), atol=1e-6, rtol=1e-6)


def test_minibatch_deviation_matches_its_definition() -> None:
    x = torch.randn(6, 2, 3, 3)
    out = minibatch_deviation(x)  # the largest divisor of 6 up to 4 is 3: groups {0,2,4} and {1,3,5}
    assert out.shape == (6, 3, 3, 3)
    for members in ([0, 2, 4], [1, 3, 5]):
        expected = x[members].std(dim=0, unbiased=False).mean()
        torch.testing.assert_close(out[members, 2], expected.expand(3, 3, 3), atol=1e-5, rtol=1e-5)


def test_same_noise_gives_the_same_image_and_other_noise_another() -> None:
    generator = Generator(TOY)
    for module in generator.modules():
        if type(module).__name__ == "NoiseInjection":
            module.weight.data.fill_(0.5)
    w = generator.style(torch.randn(2, 16))
    noise = generator.make_noise(2, torch.Generator().manual_seed(3))
    again = generator.make_noise(2, torch.Generator().manual_seed(3))
    assert torch.equal(generator(w, noise), generator(w, again))
    assert not torch.allclose(generator(w, noise), generator(w, generator.make_noise(2)))


def test_an_image_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    generator = Generator(TOY)
    w, noise = generator.style(torch.randn(3, 16)), generator.make_noise(3)
    alone = generator(w[1:2], [plane[1:2] for plane in noise])
    torch.testing.assert_close(generator(w, noise)[1:2], alone, atol=1e-5, rtol=1e-5)


def test_truncation_pulls_towards_the_mean() -> None:
    generator = Generator(TOY)
    mean = mean_style(generator, 512, torch.Generator().manual_seed(1))
    z = torch.randn(512, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mean, generator.style(z).mean(dim=0, keepdim=True))
    w = torch.randn(4, 16)
    torch.testing.assert_close(truncate(w, mean, 0.0), mean.expand(4, -1))
    assert torch.equal(truncate(w, torch.zeros(1, 16), 1.0), w)


def test_layer_swap_takes_the_coarse_layers_from_the_source() -> None:
    target, source = Generator(TOY), Generator(TOY)
    swapped = swap_layers(target, source, below=16)
    assert torch.equal(swapped.conv1.conv.weight, source.conv1.conv.weight)
    assert torch.equal(swapped.convs[1].conv.weight, source.convs[1].conv.weight)  # 8 px
    assert torch.equal(swapped.convs[2].conv.weight, target.convs[2].conv.weight)  # 16 px
    assert torch.equal(swapped.style[1].weight, source.style[1].weight)
    with pytest.raises(ConfigError, match="swap"):
        swap_layers(target, Generator(StyleGAN2Params(64, 1 / 64, 16)), 16)


def _published(path: Path, params: StyleGAN2Params = TOY) -> tuple[Generator, Discriminator]:
    generator, discriminator = Generator(params), Discriminator(params)
    content = {
        "g_ema": generator.state_dict(),
        "d": discriminator.state_dict(),
        "latent_avg": torch.zeros(16),
        "args": argparse.Namespace(size=params.size),
    }
    torch.save(content, path)
    return generator, discriminator


def test_a_published_file_loads_and_gives_the_same_images(tmp_path: Path) -> None:
    generator, discriminator = _published(tmp_path / "x.pt")
    loaded = load_generator(tmp_path / "x.pt")
    assert loaded.params == TOY and not loaded.training
    w = torch.randn(1, 16)
    image = generator(w, generator.fixed_noise())
    assert torch.equal(loaded(w, loaded.fixed_noise()), image)
    assert torch.equal(load_discriminator(tmp_path / "x.pt", TOY)(image), discriminator(image))


@pytest.mark.parametrize("params", [TOY, StyleGAN2Params(64, 0.125, 24, 3), StyleGAN2Params(128, 1, 8, 2)])
def test_shapes_are_read_back_from_a_state_dict(params: StyleGAN2Params) -> None:
    assert params_of(Generator(params).state_dict()) == params


def test_wrong_files_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_generator(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(CheckpointError, match="can't be read"):
        load_generator(tmp_path / "text.pt")
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="g_ema"):
        load_generator(tmp_path / "other.pt")
    torch.save({"g": {"model.1.weight": torch.zeros(1)}}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match=r"style\.1"):
        load_generator(tmp_path / "foreign.pt")
    state = Generator(TOY).state_dict()
    del state["conv1.noise.weight"]
    state["extra"] = torch.zeros(1)
    torch.save({"g_ema": state}, tmp_path / "part.pt")
    with pytest.raises(CheckpointError, match=r"missing conv1\.noise\.weight; unknown extra"):
        load_generator(tmp_path / "part.pt")
    state = Generator(TOY).state_dict()
    state["to_rgbs.0.upsample.kernel"] = torch.ones(4, 4)
    torch.save({"g_ema": state}, tmp_path / "kernel.pt")
    with pytest.raises(CheckpointError, match="blur kernel"):
        load_generator(tmp_path / "kernel.pt")
    torch.save({"d": Discriminator(TOY).state_dict()}, tmp_path / "d.pt")
    with pytest.raises(CheckpointError, match="no generator"):
        load_generator(tmp_path / "d.pt")


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "sprung"),))  # type: ignore[return-value]

    torch.save({"g_ema": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(CheckpointError, match="can't be read"):
        load_generator(tmp_path / "trap.pt")
    assert not (tmp_path / "sprung").exists()
