"""What the stages remember at a frame boundary, written to a file and read back without the smallest loss.

States are made of None, numbers, text, tuples, lists, mappings, dataclasses of ours, tensors and arrays.
Tensors and arrays go into a safetensors file, the rest as JSON into its header. Nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scenivid.errors import CheckpointError

_KEY = "structure"


def save_states(states: object, path: Path) -> None:
    """Write `states` to a safetensors file.

    Raises:
        TypeError: they hold something that can't be stored; a mistake of ours.
        OSError: the disk is full, or the like.
    """
    tensors: dict[str, Tensor] = {}
    structure = _packed(states, tensors)
    try:
        save_file(tensors, path, {_KEY: json.dumps(structure)})
    except SafetensorError as exc:  # it wraps what the system says
        raise OSError(str(exc)) from exc


def load_states(path: Path) -> Any:
    """What `save_states` wrote.

    Raises:
        CheckpointError: no such file, damaged, or not one of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
            return _unpacked(json.loads(file.metadata()[_KEY]), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, ImportError) as exc:
        raise CheckpointError(f"{path} is damaged: begin again without --resume ({exc})") from exc


def _packed(value: object, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return {"tensor": _kept(value, tensors), "device": str(value.device)}
    if isinstance(value, np.ndarray):
        return {"array": _kept(torch.from_numpy(value.copy(order="C")), tensors)}
    if isinstance(value, np.generic):
        return {"number": _kept(torch.from_numpy(np.array([value])), tensors)}
    if isinstance(value, tuple):
        return {"tuple": [_packed(item, tensors) for item in value]}
    if isinstance(value, list):
        return {"list": [_packed(item, tensors) for item in value]}
    if isinstance(value, Mapping):
        return {"mapping": [[key, _packed(item, tensors)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {
            item.name: _packed(getattr(value, item.name), tensors) for item in dataclasses.fields(value)
        }
        return {"class": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}
    raise TypeError(f"a state can't hold a {type(value).__name__}")


def _kept(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    name = f"t{len(tensors)}"
    tensors[name] = tensor.detach().cpu().contiguous().clone()  # one storage may be shared by several
    return name


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]].to(value["device"])
    if "array" in value:
        return tensors[value["array"]].numpy()
    if "number" in value:
        return tensors[value["number"]].numpy()[0]
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
