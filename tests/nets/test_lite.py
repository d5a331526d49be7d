"""Lite: its reach, its borders, its start, its tiles, its dial."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.func import functional_call

from scenivid.errors import ConfigError
from scenivid.nets.lite import BORDER, Lite, LiteParams, receptive_radius
from scenivid.styles.tiling import run_tiled

SMALL = LiteParams((16, 16, 16), encode_blocks=(1, 0), middle_dilations=(1, 2), decode_blocks=(1, 0), head=8)
BRUSHED = replace(SMALL, brush=6)
TONED = replace(BRUSHED, tone=8)


def _loud(params: LiteParams = SMALL) -> Lite:
    """A network whose output layer isn't near zero, so that differences show."""
    network = Lite(params).eval()
    with torch.no_grad():
        network.out.weight.mul_(200)
    return network


def test_the_default_is_in_the_fast_family() -> None:
    count = sum(parameter.numel() for parameter in Lite().parameters())
    assert 300_000 <= count <= 1_500_000


def test_a_new_network_covers_half_of_the_image_with_grey_and_draws_no_lines() -> None:
    image = torch.rand(1, 3, 64, 96)
    styled = Lite().eval()(image)
    assert styled.shape == (1, 4, 64, 96)
    assert (styled[:, :3] - image / 2 - 0.25).abs().mean() < 0.05 and styled[:, 3:].mean() < 0.05


def test_without_lines_it_gives_three_channels() -> None:
    assert Lite(replace(SMALL, line=False)).eval()(torch.rand(2, 3, 32, 48)).shape == (2, 3, 32, 48)


def test_where_it_covers_wholly_a_brushed_network_gives_flat_dabs_with_edges() -> None:
    network = Lite(BRUSHED).eval()
    with torch.no_grad():
        for convolution, bias in ((network.cover, 5.0), (network.out, 0.0)):
            convolution.weight.zero_()
            assert convolution.bias is not None
            convolution.bias.fill_(bias)
    step = torch.zeros(1, 3, 64, 64)
    step[..., 32:] = 0.7
    texture = step + 0.2 * torch.rand(1, 1, 64, 64)
    styled = network(texture)[:, :3]
    assert styled[..., 8:24].std() < 0.3 * texture[..., 8:24].std()
    assert (styled[..., 38] - styled[..., 26]).mean() > 0.6


@pytest.mark.parametrize("params", [SMALL, BRUSHED, TONED], ids=["grey", "brush", "tone"])
def test_a_flat_image_has_no_border(params: LiteParams) -> None:
    network = _loud(params)
    with torch.inference_mode():
        styled = network(torch.rand(1, 3, 1, 1).expand(1, 3, 192, 192))
    middle = styled[..., 80:112, 80:112]
    assert (styled - middle.repeat(1, 1, 6, 6)).abs().mean() < 0.05


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(
    "params",
    [SMALL, BRUSHED, TONED, LiteParams((16, 16, 16))],
    ids=["small", "brush", "tone", "default depth"],
)
def test_the_radius_is_exact(params: LiteParams, axis: int) -> None:
    network = Lite(params).double().train()  # double and unclamped: no influence is lost to rounding
    network.double()
    radius = network.radius
    middle = (radius // 16 + 1) * 16
    shape = [1, 3, 32, 32]
    shape[axis] = 2 * middle + 16
    farthest = 0
    for position in range(middle, middle + 16):
        image = torch.rand(shape, dtype=torch.double, requires_grad=True)
        network(image).select(axis, position).sum().backward()
        assert image.grad is not None
        touched = image.grad.abs().sum([dim for dim in range(4) if dim != axis]).nonzero().flatten()
        farthest = max(farthest, position - int(touched.min()), int(touched.max()) - position)
    assert farthest == radius == receptive_radius(params)


@pytest.mark.parametrize("params", [SMALL, BRUSHED, TONED], ids=["grey", "brush", "tone"])
@pytest.mark.parametrize("tile", [64, 100, 160])
def test_tiles_join_exactly(tile: int, params: LiteParams) -> None:
    network = _loud(params)
    image = torch.rand(2, 3, 192, 336)
    with torch.inference_mode():
        whole = network(image)
        tiled = run_tiled(network, image, tile, network.radius, network.multiple)
    assert (whole[:, :3] - image).abs().mean() > 0.05
    assert (whole - tiled).abs().max() < 1e-5


def test_training_sees_what_inference_gives_inside_the_border() -> None:
    network, image = _loud(), torch.rand(1, 3, 64, 64)
    wide = torch.nn.functional.pad(image, (BORDER,) * 4, mode="replicate")
    given = network(image)
    seen = network.train()(wide)[..., BORDER:-BORDER, BORDER:-BORDER]
    assert torch.allclose(given, seen.clamp(0, 1), atol=1e-5)


def test_features_have_the_announced_channels_and_sizes() -> None:
    network = Lite(SMALL)
    features = network.encode(torch.rand(2, 3, 64, 64))
    assert tuple(feature.shape[1] for feature in features) == network.feature_channels
    assert [feature.shape[-1] for feature in features] == [64, 16, 8, 4]
    assert torch.equal(network.encode(torch.ones(1, 3, 32, 32), (2, 0))[1], torch.ones(1, 3, 32, 32))
    _, same = network.forward_with_features(torch.ones(1, 3, 32, 32), (0,))
    assert torch.equal(same[0], torch.ones(1, 3, 32, 32))


def test_training_mode_keeps_the_gradient_of_overshoot() -> None:
    network = _loud().train()
    styled = network(torch.ones(1, 3, 32, 32))
    assert styled.max() > 1
    assert network.eval()(torch.ones(1, 3, 32, 32)).max() <= 1


def test_low_precision_adds_to_the_image_in_full_precision() -> None:
    image = torch.rand(1, 3, 32, 32)
    network = Lite(SMALL).eval().to(torch.bfloat16)
    styled = network(image)
    assert styled.dtype is torch.float32
    assert (styled[:, :3] - image.bfloat16().float()).abs().max() > 0


@pytest.mark.parametrize(
    "values",
    [
        {"widths": (16, 20, 16)},
        {"head": 4},
        {"widths": (16, 16)},
        {"middle_dilations": (0,)},
        {"brush": 17},
        {"tone": 8},
    ],
)
def test_odd_sizes_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="lite"):
        LiteParams(**values)  # type: ignore[arg-type]


def dialled() -> Lite:
    network = _loud(replace(SMALL, dial=True)).train()  # unclamped
    with torch.no_grad():
        for parameter in (*network.dial_gain, *network.dial_shift):
            parameter.normal_(0, 0.2)
    return network


def test_the_dial_leaves_full_strength_alone_and_moves_the_rest() -> None:
    network, image = dialled(), torch.rand(1, 3, 32, 48)
    full = network(image)
    assert torch.allclose(network.at(1.0)(image), full, atol=1e-6)
    half = network.at(0.5)(image)
    assert (half - full).abs().max() > 0.01
    blend = torch.lerp(torch.nn.functional.pad(image, (0, 0, 0, 0, 0, 1)), full, 0.5)
    assert (half - blend).abs().max() > 0.01


def test_the_fixed_network_is_what_training_sees() -> None:
    network, image = dialled(), torch.rand(2, 3, 32, 48)
    seen = functional_call(network, network.weights_at(0.3), (image,))
    assert torch.allclose(network.at(0.3)(image), seen, atol=1e-6)
    seen.mean().backward()
    assert all(parameter.grad is not None for parameter in network.dial_gain)
    assert not network.at(0.3).params.dial


def test_a_new_dial_is_a_blend_and_a_network_without_one_stays_itself() -> None:
    network, image = Lite(replace(SMALL, dial=True)).train(), torch.rand(1, 3, 32, 32)
    blend = torch.lerp(torch.nn.functional.pad(image, (0, 0, 0, 0, 0, 1)), network(image), 0.4)
    assert torch.allclose(network.at(0.4)(image), blend, atol=1e-6)
    plain = Lite(SMALL)
    assert plain.at(0.4) is plain


@pytest.mark.parametrize("brush", [0, 5])
def test_the_number_of_threads_doesnt_show(brush: int) -> None:
    network = Lite(LiteParams((8, 8, 8), head=8, brush=brush)).eval()
    image = torch.rand(1, 3, 192, 320).contiguous(memory_format=torch.channels_last)
    threads, painted = torch.get_num_threads(), []
    try:
        for number in (1, 3, 8):
            torch.set_num_threads(number)
            with torch.no_grad():
                painted.append(network(image))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(painted[0], painted[1]) and torch.equal(painted[0], painted[2])
