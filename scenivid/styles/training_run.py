"""A style out of the checkpoint of a training run, while it trains or after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from scenivid.errors import CheckpointError
from scenivid.nets.checkpoint import UNKNOWN_LICENCE, ModelCard, architectures, load_strictly


def style_of_run(path: Path, name: str, held: Mapping[str, Any]) -> tuple[nn.Module, ModelCard]:
    """The averaged generator of a run of `train translator` or `train lite`, and a card.

    Args:
        held: what the checkpoint.pt at `path` holds.

    Raises:
        CheckpointError: a run of another program, or its weights don't fit its recipe.
    """
    recipe, state = held["recipe"], held["state"]
    program = recipe.get("program")
    if program not in ("translator", "lite"):
        how = "`scenivid train pairs` and `train translator` make one with the stylegan2.pt beside it"
        raise CheckpointError(
            f"{path} is a checkpoint of `scenivid train {program}`: it holds no style"
            + (f"; {how}" if program in ("stylegan", "finetune") else "")
        )
    kind = recipe.get("generator", "lite")
    params = recipe["network"] if program == "lite" else recipe[kind]
    network = architectures()[kind](params)
    if "ema" in state:
        tensors = state["ema"]
    else:  # recipes may keep no average; the translator's generator lies in a wrapper
        tensors = {key.removeprefix("net."): value for key, value in state["g"].items()}
    load_strictly(network, tensors, str(path))
    return network, ModelCard(
        name=name,
        architecture=kind,
        params=params,
        description=f"Checkpoint of `scenivid train {program}` after {held.get('step')} steps",
        licence=recipe.get("licence") or UNKNOWN_LICENCE,
        commercial_use=bool(recipe.get("commercial_use", False)),
        data=recipe.get("data", ()),
        recipe=f"scenivid train {program}, {held.get('step')} steps",
    )
