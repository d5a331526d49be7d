"""What the stages remember at a frame boundary, written to a file and read back without the smallest loss.

States are made of None, numbers, text, tuples, lists, mappings, dataclasses of ours, tensors and arrays.
Tensors and arrays go into a safetensors file, the rest as JSON into its header. Nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from scenivid.errors import CheckpointError
from scenivid.machine.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

_KEY = "structure"
_Kept = dict[str, Any]
"""Tensors and arrays, by the names under which they are stored."""


def save_states(states: object, path: Path) -> None:
    """Write `states` to a safetensors file.

    Raises:
        TypeError: they hold something that can't be stored; a mistake of ours.
        OSError: the disk is full, or the like.
    """
    kept: _Kept = {}
    header = {_KEY: json.dumps(_packed(states, kept))}
    try:
        if any(_is_tensor(value) for value in kept.values()):
            from safetensors.torch import save_file as save_tensors

            save_tensors({name: torch.as_tensor(value) for name, value in kept.items()}, path, header)
        else:
            save_file({name: np.asarray(value) for name, value in kept.items()}, path, header)
    except SafetensorError as exc:  # it wraps what the system says
        raise OSError(str(exc)) from exc


def load_states(path: Path) -> Any:
    """What `save_states` wrote.

    Raises:
        CheckpointError: no such file, damaged, or not one of ours.
    """
    try:
        with safe_open(path, "np") as file:
            structure = file.metadata()[_KEY]
        with safe_open(path, "pt" if '"tensor"' in structure else "np") as file:
            return _unpacked(json.loads(structure), {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, ImportError) as exc:
        raise CheckpointError(f"{path} is damaged: begin again without --resume ({exc})") from exc


def _packed(value: Any, kept: _Kept) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if _is_tensor(value):
        copy = value.detach().cpu().contiguous().clone()  # one storage may be shared by several
        return {"tensor": _keep(copy, kept), "device": str(value.device)}
    if isinstance(value, np.ndarray):
        return {"array": _keep(value.copy(order="C"), kept)}
    if isinstance(value, np.generic):
        return {"number": _keep(np.array([value]), kept)}
    if isinstance(value, tuple):
        return {"tuple": [_packed(item, kept) for item in value]}
    if isinstance(value, list):
        return {"list": [_packed(item, kept) for item in value]}
    if isinstance(value, Mapping):
        return {"mapping": [[key, _packed(item, kept)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {item.name: _packed(getattr(value, item.name), kept) for item in dataclasses.fields(value)}
        return {"class": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}
    raise TypeError(f"a state can't hold a {type(value).__name__}")


def _is_tensor(value: object) -> bool:
    """Whether it is one of torch's, which isn't loaded to find out."""
    return "torch" in sys.modules and isinstance(value, torch.Tensor)


def _keep(value: Tensor | NDArray[Any], kept: _Kept) -> str:
    name = f"t{len(kept)}"
    kept[name] = value
    return name


def _unpacked(value: Any, tensors: Mapping[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]].to(value["device"])
    if "array" in value:
        return np.asarray(tensors[value["array"]])
    if "number" in value:
        return np.asarray(tensors[value["number"]])[0]
    if "tuple" in value:
        return tuple(_unpacked(item, tensors) for item in value["tuple"])
    if "list" in value:
        return [_unpacked(item, tensors) for item in value["list"]]
    if "mapping" in value:
        return {key: _unpacked(item, tensors) for key, item in value["mapping"]}
    return _class(value["class"])(
        **{name: _unpacked(item, tensors) for name, item in value["fields"].items()}
    )


def _class(name: str) -> type[Any]:
    """A dataclass of this package, and nothing else, whatever the file says."""
    module, _, kind = name.partition(":")
    if module.partition(".")[0] != "scenivid":
        raise ValueError(f"{name} is none of scenivid's")
    found = getattr(import_module(module), kind)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise ValueError(f"{name} is no dataclass")
    return found
