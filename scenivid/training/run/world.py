"""The processes that train together: wrapped by Accelerate, or for a GAN with gradients averaged by hand.

DistributedDataParallel hooks into one backward pass of one forward; R1 and the path length differentiate
twice and run parts of a network on their own. So each process draws its own batch, and gradients are averaged
between `backward` and the optimiser's step. Start with `accelerate launch -m scenivid train stylegan …`.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scenivid.errors import ConfigError, DependencyError
from scenivid.machine.devices import resolve_device

_LETTING_GO_S = 0.5
"""How long gloo's threads may take to drop the last exchange on a busy machine."""


@dataclass(frozen=True)
class World:
    """This process and how many there are; the default is one alone."""

    device: torch.device = torch.device("cpu")
    rank: int = 0
    """Number of this process; only 0 writes."""
    size: int = 1
    local_rank: int = 0
    """Number among the processes of this machine."""
    local_size: int = 1

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a detached tensor over all processes."""
        if self.size == 1:
            return value
        joint = value.detach().clone().contiguous()
        torch.distributed.all_reduce(joint)
        return joint / self.size

    def average_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes, in one exchange."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    @property
    def every(self) -> int:
        """Steps between two calls of `any`: they cost a round trip."""
        return 1 if self.size == 1 else 10

    def any(self, mine: bool) -> bool:
        """True everywhere when it is true for one process; called by all at the same steps."""
        return bool(self.mean(torch.tensor(float(mine), device=self.device)) > 0)

    def joint(self, values: Mapping[str, Tensor | float]) -> dict[str, Tensor | float]:
        """The means of logged values over all processes, in one exchange."""
        if self.size == 1:
            return dict(values)
        numbers = [
            torch.as_tensor(value, dtype=torch.float32, device=self.device) for value in values.values()
        ]
        return dict(zip(values, self.mean(torch.stack(numbers)), strict=True))

    def share(self, data: bytes | None) -> bytes | None:
        """What process 0 gives, for all: a file that only its machine may have. None where it has none."""
        if self.size == 1:
            return data
        length = torch.tensor([-1 if data is None else len(data)], device=self.device)
        torch.distributed.broadcast(length, 0)
        count = int(length)
        if count < 0:
            return None
        if self.rank == 0 and data is not None:
            held = torch.frombuffer(bytearray(data), dtype=torch.uint8).to(self.device)
        else:
            held = torch.empty(count, dtype=torch.uint8, device=self.device)
        torch.distributed.broadcast(held, 0)
        return held.cpu().numpy().tobytes()

    def wait(self) -> None:
        """Until every process has come here: what one has written, the others can read from now on."""
        if self.size > 1:
            torch.distributed.barrier()


def open_world() -> World:
    """One process, or those that `accelerate launch` started.

    Raises:
        DependencyError: started as several processes without accelerate.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return World(resolve_device("auto"))
    try:
        from accelerate import PartialState
    except ImportError as exc:
        raise DependencyError("training on several devices needs: pip install scenivid[train]") from exc
    state = PartialState(cpu=not torch.cuda.is_available())
    _end_quietly()
    local = int(os.environ.get("LOCAL_WORLD_SIZE", state.num_processes))
    return World(
        torch.device(state.device), state.process_index, state.num_processes, state.local_process_index, local
    )


def open_accelerator(device: str) -> Any:
    """Accelerate for a program whose gradients DistributedDataParallel averages.

    Args:
        device: "cpu" forbids others.

    Raises:
        DependencyError: accelerate isn't installed.
        ConfigError: This process already trains with other settings.
    """
    try:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs
    except ImportError as exc:
        raise DependencyError("training needs accelerate: pip install scenivid[train]") from exc
    try:
        accelerator = Accelerator(
            cpu=device == "cpu",
            mixed_precision="no",  # `speed.Mixed` casts: Accelerate would copy every output to float32
            # The only buffers are the blur's constants, and a network runs twice before one backward pass.
            kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
        )
    except ValueError as exc:  # accelerate keeps one state a process
        raise ConfigError(f"this process can't train with these settings any more: {exc}") from exc
    if accelerator.num_processes > 1:
        _end_quietly()
    return accelerator


def _end_quietly() -> None:
    """Let gloo's threads finish before Python goes down.

    They own the tensors of the last exchange for a moment longer than the exchange lasts. Freeing one takes
    the interpreter's lock, and a thread that asks for it while the interpreter ends aborts the process.
    Ending the group wouldn't do: DistributedDataParallel keeps it, and its threads, alive.
    """
    atexit.register(time.sleep, _LETTING_GO_S)
