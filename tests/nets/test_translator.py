"""The paper's networks: counts, keys, layers; and the translator layer by layer, in tiles and over time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scenivid.nets.blur import BlurDown, BlurUp
from scenivid.nets.discriminators import PatchDiscriminator, PatchParams
from scenivid.nets.norms import InstanceNorm, Moments, merge, moments, normalise, smooth
from scenivid.nets.translator import Translator, TranslatorParams, initialise
from scenivid.styles.layerwise import translate_tiled, translate_whole

TINY = TranslatorParams(width=8, blocks=2)


def _tiny() -> Translator:
    network = Translator(TINY).eval()
    initialise(network, 1.0)
    return network


def _own(number: int, measured: Moments) -> Moments:
    return measured


def official_keys() -> set[str]:
    """Keys of the published generator, written out from its description."""
    plain = {f"model.{index}.{kind}" for index in (1, 4, 8, 22, 26, 30) for kind in ("weight", "bias")}
    blocks = {
        f"model.{index}.conv_block.{inner}.{kind}"
        for index in range(12, 21)
        for inner in (1, 5)
        for kind in ("weight", "bias")
    }
    return plain | blocks | {f"model.{index}.filt" for index in (7, 11, 21, 25)}


def test_the_translator_is_the_papers() -> None:
    network = Translator()
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_378_179
    state = network.state_dict()
    assert set(state) == official_keys()
    assert {key: list(state[key].shape) for key in state if key.endswith("filt")} == {
        "model.7.filt": [128, 1, 3, 3],
        "model.11.filt": [256, 1, 3, 3],
        "model.21.filt": [256, 1, 4, 4],
        "model.25.filt": [128, 1, 4, 4],
    }
    features = network.encode(torch.rand(1, 3, 16, 16))
    assert (
        tuple(feature.shape[1] for feature in features) == network.feature_channels == (3, 128, 256, 256, 256)
    )
    assert [feature.shape[-1] for feature in features] == [22, 16, 8, 4, 4]


def test_encode_gives_the_layers_in_the_order_asked() -> None:
    network = _tiny()
    image = torch.rand(1, 3, 16, 16)
    fourth, zeroth = network.encode(image, (4, 0))
    assert torch.equal(zeroth, F.pad(image, (3, 3, 3, 3), mode="reflect"))
    assert torch.equal(fourth, network.model[:5](image))


def test_the_discriminators_are_the_papers() -> None:
    judge = PatchDiscriminator()
    assert sum(parameter.numel() for parameter in judge.parameters()) == 2_764_737
    assert judge(torch.rand(1, 3, 64, 64)).shape == (1, 1, 6, 6)
    assert {"model.2.filt", "model.6.filt", "model.10.filt", "model.14.weight"} <= set(judge.state_dict())
    pairs = PatchDiscriminator(PatchParams(channels=6, width=8))
    assert pairs(torch.rand(2, 6, 64, 64)).shape == (2, 1, 6, 6)


def test_going_up_is_bilinear_and_going_down_keeps_a_flat_image() -> None:
    image = torch.rand(2, 3, 6, 10)
    bilinear = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
    up = BlurUp(3)
    torch.testing.assert_close(up(image), bilinear)
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    spread = F.conv_transpose2d(padded, up.filt, stride=2, groups=3)[..., 3:-3, 3:-3]
    torch.testing.assert_close(up(image), spread)
    torch.testing.assert_close(BlurDown(3)(torch.ones(1, 3, 6, 10)), torch.ones(1, 3, 3, 5))


def test_instance_norm_is_torchs() -> None:
    image = torch.randn(2, 5, 9, 7) * 3 + 4
    torch.testing.assert_close(InstanceNorm()(image), nn.InstanceNorm2d(5)(image), atol=1e-5, rtol=1e-5)


def test_moments_of_parts_merge_to_those_of_the_whole() -> None:
    image = torch.randn(1, 4, 12, 10) + torch.linspace(0, 50, 12)[:, None]
    parts = [image[:, :, :5], image[:, :, 5:]]
    merged = merge([moments(part) for part in parts], [50, 70])
    whole = moments(image)
    torch.testing.assert_close(merged.mean, whole.mean)
    torch.testing.assert_close(merged.variance, whole.variance)


def test_walking_the_layers_with_their_own_moments_is_forward() -> None:
    network = _tiny()
    image = torch.rand(2, 3, 20, 28) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(translate_whole(network, image, _own), network(image))


@pytest.mark.parametrize("size", [(8, 8), (96, 132), (64, 200)])
@pytest.mark.parametrize("tile", [64, 72, 100])
def test_tiles_share_their_moments_exactly(size: tuple[int, int], tile: int) -> None:
    network = _tiny()
    image = torch.rand(1, 3, *size) * 2 - 1
    with torch.inference_mode():
        whole = network(image)
        tiled = translate_tiled(network, image, _own, tile)
    assert whole.std() > 0.1
    assert (whole - tiled).abs().max() < 1e-3 / 5


def test_smoothing_follows_its_formula_and_starts_afresh_at_a_cut() -> None:
    raw = Moments(torch.tensor([[0.0], [1.0], [1.0], [5.0]]), torch.ones(4, 1))
    used, last = smooth(raw, None, [True, False, False, True], time_constant=2.0)
    keep = 2.718281828**-0.5
    expected = [0.0, 1 - keep, 1 - keep * keep, 5.0]
    torch.testing.assert_close(used.mean.flatten(), torch.tensor(expected))
    assert last.mean.item() == 5.0


def test_smoothing_in_pieces_is_smoothing_at_once() -> None:
    raw = Moments(torch.randn(8, 3), torch.rand(8, 3))
    cuts = [index in (0, 5) for index in range(8)]
    used, last = smooth(raw, None, cuts, 4.0)
    state: Moments | None = None
    pieces = []
    for part in (slice(0, 3), slice(3, 4), slice(4, 8)):
        piece, state = smooth(Moments(raw.mean[part], raw.variance[part]), state, cuts[part], 4.0)
        pieces.append(piece.mean)
    assert torch.equal(torch.cat(pieces), used.mean)
    assert state is not None and torch.equal(state.variance, last.variance)


def test_the_fast_way_on_the_cpu_is_the_plain_way() -> None:
    image = torch.randn(2, 16, 70, 90) * torch.rand(16)[:, None, None] + 40 * torch.randn(16)[:, None, None]
    fast = image.contiguous(memory_format=torch.channels_last)
    plain, quick = moments(image), moments(fast)
    torch.testing.assert_close(quick.mean, plain.mean)
    torch.testing.assert_close(quick.variance, plain.variance, atol=0, rtol=1e-4)
    for dtype in (torch.float32, torch.bfloat16):
        torch.testing.assert_close(normalise(fast.to(dtype), plain), normalise(image.to(dtype), plain))
