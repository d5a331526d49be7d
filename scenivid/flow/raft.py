"""RAFT (Teed & Deng 2020) in torchvision's implementation, with published, own or embedded weights."""

from __future__ import annotations

import pickle
from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from scenivid.errors import CheckpointError
from scenivid.frames import to_signed
from scenivid.weights.published import Published, fetch_published

PUBLISHED = {
    name: Published(name, f"https://download.pytorch.org/models/{file}", file, file[-12:-4])
    for name, file in (
        ("raft-large", "raft_large_C_T_SKHT_V2-ff5fadd5.pth"),
        ("raft-small", "raft_small_C_T_V2-01064c6d.pth"),
    )
}
"""torchvision's files, whose names end with the beginning of their SHA-256; written out, since importing
torchvision takes seconds that a run with DIS can do without."""
_EMBEDDED = {"raft-small": "raft_small.safetensors"}
_MULTIPLE = 8
_SMALLEST = 128
"""Pixels: RAFT's fourth correlation level needs sides of 128 or more."""
_UPDATES = 12
_PAIRS_AT_ONCE = 32
"""Pairs in one call; the correlation volume of a 640×360 pair takes 55 MB."""


class Raft:
    """RAFT flow with 12 updates, any number of pairs in one call."""

    long_side = 640

    def __init__(self, name: str, network: nn.Module) -> None:
        self.name = name
        self._network = network

    @torch.no_grad()
    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow from `first` to `second`, [N, 3, H, W] in [0, 1]: [N, 2, H, W] float32, same device."""
        height, width = first.shape[-2:]
        below = max(0, _SMALLEST - height) or -height % _MULTIPLE
        beside = max(0, _SMALLEST - width) or -width % _MULTIPLE
        both = F.pad(torch.cat((first, second)).float(), (0, beside, 0, below), mode="replicate")
        one, two = to_signed(both).chunk(2)
        parts = [slice(start, start + _PAIRS_AT_ONCE) for start in range(0, len(one), _PAIRS_AT_ONCE)]
        flow = torch.cat([self._network(one[p], two[p], num_flow_updates=_UPDATES)[-1] for p in parts])
        return flow[..., :height, :width].contiguous()


def load_raft(name: str, device: torch.device, weights: Path | None = None) -> Raft:
    """Build 'raft-large' or 'raft-small'.

    Without a file: the published weights if torch's cache has them, else those inside this package (only
    raft-small), else the published ones, downloaded once and checked.

    Args:
        weights: a torchvision state dict, `.safetensors` or `.pth`/`.pt` (read with weights_only=True).

    Raises:
        CheckpointError: no weights to be had, or they are damaged or of another network.
    """
    path = weights or cached(name) or embedded(name) or fetch_published(PUBLISHED[name])
    network = _build(name)
    state = read_state(path)
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
    path = PUBLISHED[name].path
    return path if path.is_file() else None


def embedded(name: str) -> Path | None:
    """Weights that ship with this package, or None."""
    if name not in _EMBEDDED:
        return None
    path = Path(str(resources.files("scenivid.weights") / _EMBEDDED[name]))
    return path if path.is_file() else None


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from `.safetensors`, or from `.pt`/`.pth` with weights_only=True.

    Raises:
        CheckpointError: no such file, or not a state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"no flow weights at {path}") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise CheckpointError(f"{path} can't be read as a torch state dict: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path} is not a torch state dict (a dict of names and tensors)")
    return state
