"""Stylizers: any size, any batch, tiles, state over time, precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scenivid.errors import ConfigError
from scenivid.machine.devices import choose_dtype
from scenivid.nets.checkpoint import ModelCard
from scenivid.nets.lite import Lite, LiteParams
from scenivid.nets.translator import Translator, TranslatorParams, initialise
from scenivid.styles.stylizer import StyleState, Stylizer, blend_for, stylizer_for
from scenivid.styles.tiling import auto_tile, run_blended

CPU = torch.device("cpu")


def lite(precision: str = "fp32") -> Stylizer:
    network = Lite(LiteParams((16, 16, 16), (0, 0), (1,), (1, 0)))
    with torch.no_grad():
        network.out.weight.mul_(30)
    return stylizer_for(network, ModelCard("small", "lite"), CPU, precision, 0)


def translator(smoothing: float = 8.0, precision: str = "fp32") -> Stylizer:
    network = Translator(TranslatorParams(8, 2))
    initialise(network, 0.7)
    return stylizer_for(network, ModelCard("tiny", "translator"), CPU, precision, smoothing)


def run(stylizer: Stylizer, frames: Tensor, cuts: list[bool], batch: int, tile: int | None = None) -> Tensor:
    state: StyleState | None = None
    styled = []
    for start in range(0, len(frames), batch):
        part = slice(start, start + batch)
        result, state = stylizer.translate(frames[part], cuts[part], state, tile)
        styled.append(result)
    return torch.cat(styled)


@pytest.mark.parametrize("make", [lite, translator])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (33, 50), (64, 64)])
def test_any_size_comes_back_in_range(make: type, size: tuple[int, int]) -> None:
    frames = torch.rand(2, 3, *size)
    styled = run(make(), frames, [True, False], 2)
    channels = 3 if make is translator else 4
    assert styled.shape == (2, channels, *size) and styled.dtype is torch.float32
    assert styled.min() >= 0 and styled.max() <= 1


@pytest.mark.parametrize("make", [lite, translator])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_batch_size_is_invisible(make: type, precision: str) -> None:
    frames = torch.rand(8, 3, 40, 56)
    cuts = [index in (0, 5) for index in range(8)]
    stylizer = make(precision=precision)
    one = run(stylizer, frames, cuts, 1)
    for batch in (3, 8):
        assert (run(stylizer, frames, cuts, batch) - one).abs().max() <= 1 / 255


@pytest.mark.parametrize("make", [lite, translator])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_tiles_are_invisible(make: type, precision: str) -> None:
    frames = torch.rand(2, 3, 130, 150)
    stylizer = make(precision=precision)
    whole, tiled = (run(stylizer, frames, [True, False], 2, tile) for tile in (None, 64))
    # bf16 moments may round another way here and there, and the difference grows through the layers
    tolerance = {"fp32": 1e-3, "bf16": 1 / 255 if stylizer.radius else 6 / 255}[precision]
    assert (whole - tiled).abs().max() <= tolerance
    assert (whole - tiled).abs().mean() <= 0.2 / 255


def test_the_first_frame_and_smoothing_off_are_the_plain_network() -> None:
    frames = torch.rand(3, 3, 32, 48)
    stylizer = translator()
    plain = (stylizer.network((frames * 2 - 1).contiguous(memory_format=torch.channels_last)) + 1) / 2  # type: ignore[attr-defined]
    smoothed = run(stylizer, frames, [True, False, False], 3)
    assert torch.equal(smoothed[:1], run(stylizer, frames[:1], [True], 1))
    torch.testing.assert_close(smoothed[:1], plain[:1], atol=1e-5, rtol=0)
    assert (smoothed[2] - plain[2]).abs().max() > 1e-3
    cut = run(stylizer, frames, [True, False, True], 3)
    torch.testing.assert_close(cut[2], plain[2], atol=1e-5, rtol=0)
    off = stylizer_for(stylizer.network, stylizer.card, CPU, "fp32", 0)  # type: ignore[attr-defined]
    torch.testing.assert_close(run(off, frames, [True, False, False], 3), plain, atol=1e-5, rtol=0)


def test_smoothed_moments_keep_brightness_from_pumping() -> None:
    """Something bright comes and goes in a corner; far away from it the picture should hardly notice."""
    scene = torch.rand(1, 3, 96, 160).expand(12, -1, -1, -1).clone()
    scene[::2, :, :40, :40] = 1.0
    cuts = [index == 0 for index in range(12)]
    torch.manual_seed(3)
    stylizer = translator(8.0)
    off = stylizer_for(stylizer.network, stylizer.card, CPU, "fp32", 0)  # type: ignore[attr-defined]

    def pumping(each: Stylizer) -> float:
        far = run(each, scene, cuts, 4)[4:, :, :, 110:]
        return float(far.diff(dim=0).abs().mean())

    assert pumping(stylizer) < 0.35 * pumping(off)


def test_lite_has_no_state() -> None:
    result, state = lite().translate(torch.rand(1, 3, 32, 32), [True], None, None)
    assert state is None and result.shape == (1, 4, 32, 32)


def test_precision_suits_the_device() -> None:
    assert choose_dtype("fp32", CPU) is torch.float32
    assert choose_dtype("auto", CPU) in (torch.float32, torch.bfloat16)
    with pytest.raises(ConfigError, match="fp16 is not for CPUs"):
        choose_dtype("fp16", CPU)
    with pytest.raises(ConfigError, match="expected auto, fp32"):
        choose_dtype("int8", CPU)


def test_a_tile_that_is_all_margin_is_refused() -> None:
    for stylizer in (lite(), translator()):
        with pytest.raises(ConfigError, match="at least 64"):
            stylizer.translate(torch.rand(1, 3, 128, 128), [True], None, 16)


def test_the_automatic_tile_follows_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenivid.styles.tiling.free_memory", lambda device: 2_000_000_000)
    assert auto_tile(540, 960, 4, 500, CPU) is None
    tile = auto_tile(4320, 7680, 1, 2500, CPU)
    assert tile is not None and tile * tile * 2500 <= 1_000_000_000
    assert auto_tile(4320, 7680, 1, 1e9, CPU) == 256


def test_blended_windows_of_an_exact_network_are_exact() -> None:
    image = torch.rand(1, 3, 150, 210)
    torch.testing.assert_close(run_blended(lambda part: part * 0.5, image, 64, 96, 16), image * 0.5)


def test_what_is_not_a_style_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a style"):
        stylizer_for(torch.nn.Conv2d(3, 3, 1), ModelCard("x", "patch_discriminator"), CPU, "fp32", 0)


def test_a_dial_is_turned_as_far_as_it_goes_and_the_rest_is_blended() -> None:
    network = Lite(LiteParams((16, 16, 16), (0, 0), (1,), (1, 0), dial=True))
    card = ModelCard("dialled", "lite")
    full, strong, faint = (stylizer_for(network, card, CPU, "fp32", 0, strength=s) for s in (1, 0.6, 0.05))
    assert blend_for(strong, 0.6) == 1
    assert blend_for(faint, 0.05) == pytest.approx(0.2)
    assert blend_for(full, 0.6) == blend_for(lite(), 0.6) == blend_for(translator(), 0.6) == 0.6
    frames = torch.rand(1, 3, 32, 32)
    styled = strong.translate(frames, [True], None, None)[0]
    assert torch.allclose(styled, network.eval().at(0.6)(frames), atol=1e-5)
    with pytest.raises(ConfigError, match="strength"):
        stylizer_for(network, card, CPU, "fp32", 0, strength=1.5)
