"""Checkpoints of a run: written whole, read, and taken up where the run stopped."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from scenivid.errors import CheckpointError, ConfigError
from scenivid.machine.aside import whole
from scenivid.training.run.program import Program
from scenivid.training.run.random_state import rng_state, seed_all, set_rng_state
from scenivid.training.run.record import differences, to_dict
from scenivid.training.run.world import World
from scenivid.weights.torch_file import read_torch

logger = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.pt"


def save_checkpoint(program: Program, recipe: Any, step: int, path: Path) -> None:
    """Write everything needed to go on from `step`; the file appears whole or not at all."""
    held = {
        "step": step,
        "recipe": to_dict(recipe),
        "state": {name: part.state_dict() for name, part in program.state().items()},
        "rng": rng_state(),
    }
    with whole(path) as part:
        torch.save(held, part)


def read_checkpoint(path: Path, data: bytes | None = None) -> dict[str, Any]:
    """The content of a checkpoint.pt: step, recipe (plain dict), state (name to state dict), rng.

    Args:
        data: its bytes, where another process has read them.

    Raises:
        CheckpointError: damaged, or not one of ours.
    """
    try:
        held = read_torch(path, data=data)
    except CheckpointError as exc:
        raise CheckpointError(f"{exc}; delete it to start again") from exc
    if not isinstance(held, dict) or not {"step", "recipe", "state", "rng"} <= held.keys():
        raise CheckpointError(f"{path} is not a checkpoint of a scenivid training run")
    return held


def resume(program: Program, recipe: Any, out: Path, world: World) -> int:
    """Take up the checkpoint in `out`, if there is one; the step to go on from.

    Every process takes what process 0 has: other machines may not see its folder.

    Raises:
        ConfigError: it is of a different recipe (the message says what differs).
        CheckpointError: damaged, or of another program.
    """
    path = out / CHECKPOINT
    if world.size == 1:
        held = read_checkpoint(path) if path.exists() else None
    else:
        data = world.share(path.read_bytes() if world.rank == 0 and path.exists() else None)
        held = None if data is None else read_checkpoint(path, data)
    if held is None:
        return 0
    changed = differences(recipe, held["recipe"])
    if changed:
        raise ConfigError(f"{out} holds a run of another recipe ({'; '.join(changed)}); choose another --out")
    parts = program.state()
    if parts.keys() != held["state"].keys():
        raise CheckpointError(f"{path} holds {sorted(held['state'])}, this program has {sorted(parts)}")
    for name, part in parts.items():
        try:
            part.load_state_dict(held["state"][name])
        except (RuntimeError, ValueError, KeyError) as exc:
            raise CheckpointError(f"{path}: {name} doesn't fit ({exc})") from exc
    if world.rank == 0:
        set_rng_state(held["rng"])
    else:
        seed_all(held["step"] + 7919 * world.rank)
    logger.info("going on from step %d of %s", held["step"], path)
    return int(held["step"])
