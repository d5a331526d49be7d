"""Networks that flicker on purpose: strongly, repeatably, and whatever the batch size."""

from __future__ import annotations

import pytest
import torch
from make_frames import texture
from suite.flickering import fixed_translator, flickering

from scenivid.errors import ConfigError
from scenivid.nets.checkpoint import ModelCard
from scenivid.nets.lite import Lite, LiteParams
from scenivid.styles.stylizer import Stylizer, stylizer_for

CPU = torch.device("cpu")


def _lite() -> Stylizer:
    network = Lite(LiteParams(widths=(16, 16, 16), middle_dilations=(1,), decode_blocks=(1, 1)))
    with torch.no_grad():  # a fresh lite is the identity: let its features reach the picture
        network.out.weight.normal_(std=0.05)
    return stylizer_for(network, ModelCard("toy", "lite"), CPU, "fp32", 0.0)


def test_a_still_picture_flickers_and_without_amount_it_does_not() -> None:
    still = texture(48, 64).expand(4, -1, -1, -1)
    lite, cuts = _lite(), [True, False, False, False]
    calm, _ = flickering(lite, 0.0).translate(still, cuts, None, None)
    assert torch.equal(calm, lite.translate(still, cuts, None, None)[0])
    wild, _ = flickering(lite, 0.5).translate(still, cuts, None, None)
    assert float((wild[1:] - wild[:-1]).abs().mean()) > 1e-3
    # the hooks are gone: the network itself is calm again
    assert torch.equal(calm, lite.translate(still, cuts, None, None)[0])


def test_batch_size_does_not_show() -> None:
    frames = torch.cat([texture(32, 48, seed) for seed in range(5)])
    style = flickering(_lite())
    whole, _ = style.translate(frames, [True] + [False] * 4, None, None)
    first, state = style.translate(frames[:2], [True, False], None, None)
    second, _ = style.translate(frames[2:], [False] * 3, state, None)
    assert torch.equal(whole, torch.cat([first, second]))


def test_only_lite_styles_take_noise() -> None:
    with pytest.raises(ConfigError, match="lite"):
        flickering(fixed_translator(CPU, "fp32"))


@pytest.mark.slow
def test_the_fixed_translator_is_always_the_same_and_has_contrast() -> None:
    image = texture(64, 64)
    one, two = (fixed_translator(CPU, "fp32").translate(image, [True], None, None)[0] for _ in range(2))
    assert torch.equal(one, two)
    assert 0.05 < float(one.std()) < 0.35
