"""What a training step will need, told before it is begun: the step itself, run on tensors without data."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_bytes(run: Callable[[], object]) -> int:
    """The most bytes of tensors alive at once while `run` runs, on tensors that have sizes but no data.

    `run` must make all its tensors itself, networks and optimisers included, and must not ask for a value
    (`float(tensor)`). Workspaces of kernels and what an allocator wastes are left out.
    """
    with warnings.catch_warnings(), _Fakes(), _Living() as living:
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
    """Counts the bytes of storages that are made under it, until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
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
