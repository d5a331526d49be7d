"""Weights in torch's own files, read without unpickling code."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from scenivid.errors import CheckpointError


def read_torch(path: Path, allowed: Sequence[type] = (), data: bytes | None = None) -> Any:
    """What a .pt or .pth file holds, on the CPU: tensors, numbers, strings and containers of them.

    Args:
        allowed: harmless classes that may occur besides.
        data: its bytes, where they are at hand.

    Raises:
        CheckpointError: no such file, damaged, or it holds code.
    """
    if data is None and not path.is_file():
        raise CheckpointError(f"no such file: {path}")
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path if data is None else BytesIO(data), map_location="cpu", weights_only=True)
    except UnpicklingError as exc:  # torch's own words would advise to load it all the same
        raise CheckpointError(
            f"{path} can't be read: it holds other things than a state dict of tensors, or it is damaged"
        ) from exc
    except Exception as exc:  # BadZipFile, EOF, Runtime, Key, OS…: torch's list is open
        reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0][:120]
        raise CheckpointError(f"{path} can't be read as torch weights ({reason})") from exc


def read_state(path: Path) -> dict[str, Tensor]:
    """A flat state dict from .safetensors, .pt or .pth, on the CPU.

    Raises:
        CheckpointError: no such file, damaged, or not a dict of names and tensors.
    """
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except FileNotFoundError as exc:
            raise CheckpointError(f"no such file: {path}") from exc
        except (OSError, SafetensorError) as exc:
            raise CheckpointError(f"{path} can't be read as safetensors: {exc}") from exc
    state = read_torch(path)
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise CheckpointError(f"{path} is not a flat state dict (names and tensors)")
    return dict(state)


def open_script(path: Path, device: torch.device | str = "cpu") -> torch.jit.ScriptModule:
    """A network that was published as TorchScript.

    Raises:
        CheckpointError: no such file, or not TorchScript.
    """
    if not path.is_file():
        raise CheckpointError(f"no such file: {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated; the file was published in it
            script: torch.jit.ScriptModule = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
    except (RuntimeError, OSError, ValueError) as exc:
        raise CheckpointError(f"{path} can't be read as TorchScript: delete it to download it again") from exc
    return script
