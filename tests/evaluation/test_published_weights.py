"""Loaders of published weights, on files with the right keys and random values; nothing is downloaded."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from scenivid.errors import CheckpointError
from scenivid.evaluation import networks
from scenivid.evaluation.networks import consistency, load_networks
from scenivid.weights.catalogue import ALEXNET, CLIP, DINO, INCEPTION
from scenivid.weights.published import Published, fetch_published

CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """An empty torch cache."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    yield folder
    torch.hub.set_dir(before)


def test_without_weights_every_network_is_missing_and_none_is_random(cache: Path) -> None:
    found = load_networks(CPU, download=False)
    assert found.lpips is None and found.clip is None and found.dino is None
    with pytest.raises(CheckpointError, match=r"put it at .*inception-2015-12-05\.pt"):
        networks.load_inception(CPU, download=False)


def test_no_connection_is_noticed_quickly_and_named(cache: Path) -> None:
    began = time.monotonic()
    nowhere = Published("toy", "http://127.0.0.1:9/toy.pth", "toy.pth")
    with pytest.raises(CheckpointError, match="no connection"):
        fetch_published(nowhere)
    assert time.monotonic() - began < 7
    assert list(cache.iterdir()) == []


@pytest.mark.slow
def test_lpips_fills_its_backbone_from_torchvisions_names(cache: Path) -> None:
    pytest.importorskip("lpips")
    from torchvision.models import alexnet

    stored = alexnet(weights=None).state_dict()
    torch.save(stored, cache / ALEXNET.file)
    distance = networks.load_lpips(CPU, download=False)
    first, second = torch.rand(2, 2, 3, 64, 64)
    assert distance(first, first).tolist() == [0.0, 0.0]
    assert bool((distance(first, second) > 0).all())
    # the same file gives the same network: nothing of it is left random
    again = networks.load_lpips(CPU, download=False)
    assert torch.equal(distance(first, second), again(first, second))
    torch.save(
        {name: value for name, value in stored.items() if "features.6" not in name},
        cache / ALEXNET.file,
    )
    with pytest.raises(CheckpointError, match=r"alexnet: features\.6\.weight is missing"):
        networks.load_lpips(CPU, download=False)


def test_inception_is_fed_as_published(cache: Path) -> None:
    class Layers(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=(2, 3)).reshape(len(x), 3, 1, 1)

    class Base(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = Layers()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Base()).save(str(cache / INCEPTION.file))
    embed = networks.load_inception(CPU, download=False)
    grey = embed(torch.full((2, 3, 40, 60), 1.0))
    assert torch.allclose(grey, torch.full((2, 3), (255 - 128) / 128), atol=1e-5)
    (cache / INCEPTION.file).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="TorchScript"):
        networks.load_inception(CPU, download=False)


@pytest.mark.slow
def test_dino_and_clip_give_unit_vectors_and_refuse_foreign_files(cache: Path) -> None:
    timm = pytest.importorskip("timm")
    import open_clip

    torch.save(
        timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=0).state_dict(),
        cache / DINO.file,
    )
    clip = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None).state_dict()
    torch.save({**clip, "input_resolution": torch.tensor(224)}, cache / CLIP.file)
    images = torch.rand(2, 3, 90, 120)
    for load, size in ((networks.load_dino, 768), (networks.load_clip, 512)):
        vectors = load(CPU, download=False)(images)
        assert vectors.shape == (2, size)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)
    torch.save({"a": torch.zeros(1)}, cache / CLIP.file)
    with pytest.raises(CheckpointError):
        networks.load_clip(CPU, download=False)


def test_consistency_is_the_mean_of_two_cosines() -> None:
    now = torch.tensor([[1.0, 0.0]])
    before, first = torch.tensor([[0.6, 0.8]]), torch.tensor([[-1.0, 0.0]])
    assert float(consistency(now, before, first)) == pytest.approx(0.3)  # negative cosines count as 0
