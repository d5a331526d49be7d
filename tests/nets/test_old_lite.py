"""Styles trained before line fields still load and paint."""

from __future__ import annotations

from pathlib import Path

import torch

from scenivid.nets.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from scenivid.nets.old_lite import OldLite, OldLiteParams
from scenivid.styles.stylizer import stylizer_for

SMALL = OldLiteParams((16, 16, 16, 16), (0, 0), (1,), (0, 0), dial=True)


def test_an_old_file_loads_as_the_old_network_with_its_dial(tmp_path: Path) -> None:
    network = OldLite(SMALL).eval()
    path = tmp_path / "old.safetensors"
    save_checkpoint(path, network, ModelCard("old", "lite", params=vars(SMALL)))
    held, card = load_checkpoint(path)
    image = torch.rand(1, 3, 32, 48)
    assert isinstance(held, OldLite) and torch.equal(held(image), network(image))
    style = stylizer_for(held, card, torch.device("cpu"), "fp32", 0.0, strength=0.5)
    assert (style.strength, style.paint_size, style.ink) == (0.5, 540, None)
    assert style.translate(image, [True], None, None)[0].shape == image.shape
