"""What a training step will need, told before it is begun: the step itself, run on tensors without data."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scenivid.training.planning.convolutions import WHILE_IT_RUNS


def peak_bytes(run: Callable[[], object], device: torch.device) -> int:
    """The most bytes of tensors alive at once while `run` runs, on tensors that have sizes but no data.

    `run` must make all its tensors itself, networks and optimisers included, on the CPU, and must not ask for
    a value (`float(tensor)`).

    Args:
        device: where the training is going to be. The copies that a convolution of the CPU makes are counted;
            workspaces of a GPU's kernels, and what an allocator wastes, are left out.
    """
    by_onednn = device.type == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings(), _Fakes(), _Living(by_onednn) as living:
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # copy.deepcopy asks
        run()
        peak: int = living.peak
    return peak


def estimate(parts: Mapping[str, nn.Module], peak: int) -> str:
    """Parameter counts, and the memory that a step needs at its peak."""
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    lines = [f"{name}: {count:,} parameters" for name, count in counts.items()]
    return "\n".join([*lines, f"memory: about {peak / 1e9:.2f} GB at the peak of a step"])


class _Fakes(FakeTensorMode):  # type: ignore[no-untyped-call]
    """Tensors refer to their mode, so `copy.deepcopy` of one would copy it: its weak references, freed a
    second time, spoil the heap, and its tensors don't go with the others.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> _Fakes:
        return self


class _Living(TorchDispatchMode):
    """Counts the bytes of storages that are made under it, until they are freed, and those that a
    convolution of the CPU makes for itself.
    """

    def __init__(self, by_onednn: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._sizes: dict[int, int] = {}
        self._inside = WHILE_IT_RUNS if by_onednn else {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        if function in self._inside:
            self.peak = max(self.peak, self._now + self._inside[function](args, output))
        for leaf in tree_leaves(output):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return output

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self._now -= self._sizes.pop(key)
