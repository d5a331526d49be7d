"""RAFT (Teed & Deng 2020) in torchvision's implementation, with published, own or embedded weights."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.errors import CheckpointError
from scenivid.flow.raft_steps import both_ways
from scenivid.pixels import to_signed
from scenivid.weights.catalogue import RAFT_LARGE, RAFT_SMALL
from scenivid.weights.published import load_published
from scenivid.weights.torch_file import read_state

_PUBLISHED = {weights.name: weights for weights in (RAFT_LARGE, RAFT_SMALL)}
_EMBEDDED = {"raft-small": "raft_small.safetensors"}
_MULTIPLE = 8
_SMALLEST = 128
"""Pixels: RAFT's fourth correlation level needs sides of 128 or more."""
_UPDATES = 12
_PAIRS_AT_ONCE = 16
"""Pairs in one call; both correlation volumes of a 384×216 pair take 14 MB."""


class Raft:
    """RAFT flow with 12 updates, any number of pairs in one call."""

    long_side = 384

    def __init__(self, name: str, network: nn.Module) -> None:
        self.name = name
        self._network = network

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow from `first` to `second`, [N, 3, H, W] in [0, 1]: [N, 2, H, W] float32, same device."""
        return self.both(first, second)[0]

    @torch.no_grad()
    def both(self, now: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Flow from `now` to `before` and from `before` to `now`, as above."""
        height, width = now.shape[-2:]
        below = max(0, _SMALLEST - height) or -height % _MULTIPLE
        beside = max(0, _SMALLEST - width) or -width % _MULTIPLE
        frames = F.pad(torch.cat((now, before)).float(), (0, beside, 0, below), mode="replicate")
        one, two = to_signed(frames).chunk(2)
        starts = range(0, len(one), _PAIRS_AT_ONCE)
        parts = [slice(start, start + _PAIRS_AT_ONCE) for start in starts]
        fields = [both_ways(self._network, one[part], two[part], _UPDATES) for part in parts]
        backward, forward = (torch.cat(some)[..., :height, :width] for some in zip(*fields, strict=True))
        return backward.contiguous(), forward.contiguous()


def load_raft(name: str, device: torch.device, weights: Path | None = None) -> Raft:
    """Build 'raft-large' or 'raft-small'.

    Without a file: the published weights if torch's cache has them, else those inside this package (only
    raft-small), else the published ones, downloaded once and checked.

    Args:
        weights: a torchvision state dict, `.safetensors` or `.pth`/`.pt` (read with weights_only=True).

    Raises:
        CheckpointError: no weights are available, or they are damaged or of another network.
    """
    instead = weights or (None if cached(name) else embedded(name))
    path, state = load_published(_PUBLISHED[name], read_state, weights=instead)
    network = _build(name)
    wanted = network.state_dict()
    wrong = [key for key, value in wanted.items() if key not in state or state[key].shape != value.shape]
    extra = [key for key in state if key not in wanted]
    if wrong or extra:
        raise CheckpointError(
            f"{path} doesn't hold {name}: of torchvision's {len(wanted)} tensors {len(wrong)} are missing or "
            f"of another shape, and {len(extra)} are unknown (first: {(wrong + extra)[0]})"
        )
    network.load_state_dict({key: value.to(wanted[key].dtype) for key, value in state.items()})
    return Raft(name, network.eval().requires_grad_(False).to(device))


def _build(name: str) -> nn.Module:
    from torchvision.models import optical_flow  # seconds and 150 MB: only where RAFT runs

    network: nn.Module = getattr(optical_flow, name.replace("-", "_"))(weights=None)
    return network


def cached(name: str) -> Path | None:
    """The published weights in torch's download cache, or None."""
    path = _PUBLISHED[name].path
    return path if path.is_file() else None


def embedded(name: str) -> Path | None:
    """Weights that ship with this package, or None."""
    if name not in _EMBEDDED:
        return None
    path = Path(str(resources.files("scenivid.weights") / _EMBEDDED[name]))
    return path if path.is_file() else None
