"""A style in the painter's place: what a large network makes of photographs, for a small one to learn."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from scenivid.errors import CheckpointError
from scenivid.machine.devices import resolve_device
from scenivid.nets.checkpoint import ModelCard, load_checkpoint
from scenivid.nets.lite import Lite
from scenivid.nets.translator import Translator
from scenivid.pixels import pad, unpad
from scenivid.training.painter.painter import Painting
from scenivid.training.translator.translation import FeatureGenerator


class Teacher:
    """A translator or lite style.

    Args:
        path: its .safetensors file.

    Raises:
        CheckpointError: not such a style.
    """

    def __init__(self, path: Path) -> None:
        net, self.card = _load(path)
        self.multiple, self.device = net.multiple, resolve_device("auto")
        self.network = FeatureGenerator(net).to(self.device).eval().requires_grad_(False)
        self.key = hashlib.sha256(path.read_bytes()).hexdigest()
        """Tells apart what different weights have painted."""

    @torch.no_grad()
    def paint(self, rgb: Tensor) -> Painting:
        """As `painter.paint`; no lines where the style has none. rgb: [N, 3, H, W] float in [0, 1]."""
        padded, added = pad(rgb.to(self.device), self.multiple)
        output, _ = self.network(padded)
        shown = unpad(output, added).float().clamp(0, 1).cpu()
        line = shown[:, 3:] if shown.shape[1] == 4 else torch.zeros_like(shown[:, :1])
        return Painting(shown[:, :3], line)


def _load(path: Path) -> tuple[Translator | Lite, ModelCard]:
    net, card = load_checkpoint(path)
    if not isinstance(net, Translator | Lite):
        raise CheckpointError(f"teacher: {path} is a {card.architecture}, not a translator or lite style")
    return net, card
