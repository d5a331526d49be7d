"""What a training step will need, told before it is begun: parameters, and memory from a dry pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def saved_bytes(forward: Callable[[], Any]) -> int:
    """Bytes that autograd keeps for the backward pass of `forward`; on the meta device nothing is computed.

    Weights are left out, and a tensor that is kept twice counts once.
    """
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            sizes[storage._cdata] = storage.nbytes()
            held.append(tensor)  # or its storage's address may be used again
        return tensor

    held: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(sizes.values())


def estimate(parts: Mapping[str, nn.Module], averaged: nn.Module | None, saved: int) -> str:
    """Parameter counts, and the memory of float32 weights, gradients, Adam's moments and `saved`."""
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    fixed = 4 * 4 * sum(counts.values())
    if averaged is not None:
        fixed += 4 * sum(p.numel() for p in averaged.parameters())
    lines = [f"{name}: {count:,} parameters" for name, count in counts.items()]
    lines.append(
        f"memory: about {(fixed + saved) / 1e9:.2f} GB "
        f"({fixed / 1e9:.2f} weights and optimiser, {saved / 1e9:.2f} activations)"
    )
    return "\n".join(lines)
