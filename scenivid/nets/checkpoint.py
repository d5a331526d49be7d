"""Weights files: safetensors whose header holds a model card. Strict both ways; nothing is unpickled here."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from scenivid.errors import CheckpointError, ConfigError
from scenivid.machine.aside import whole
from scenivid.nets.card import KEY, UNKNOWN_LICENCE, VERSION, ModelCard, check_kind, is_pickle, read_card
from scenivid.nets.discriminators import PatchDiscriminator, PatchParams
from scenivid.nets.lite import Lite, LiteParams
from scenivid.nets.old_lite import OldLite, OldLiteParams
from scenivid.nets.translator import Translator, TranslatorParams

_WIDEST, _DEEPEST, _LONGEST_LIST = 4096, 256, 64
"""Most channels, layers and entries of a list in a card's parameters."""
_GENEROUS, _USUAL_LAYERS = 20, 20
_SHOWN = 3

__all__ = [
    "UNKNOWN_LICENCE",
    "Build",
    "ModelCard",
    "architectures",
    "check_kind",
    "is_pickle",
    "load_checkpoint",
    "load_strictly",
    "read_card",
    "read_tensors",
    "save_checkpoint",
    "write_tensors",
]

Build = Callable[[Mapping[str, Any]], nn.Module]
"""Makes the untrained network from the `params` of a card."""


def architectures() -> dict[str, Build]:
    """Networks that a card can name."""
    return {
        "lite": _lite,
        "translator": lambda params: Translator(TranslatorParams(**params)),
        "patch_discriminator": lambda params: PatchDiscriminator(PatchParams(**params)),
    }


def _lite(params: Mapping[str, Any]) -> nn.Module:
    """Lite in its present shape, or in the one it had before line fields, whose cards give four widths."""
    if len(params.get("widths", ())) == 4:
        return OldLite(OldLiteParams(**params))
    return Lite(LiteParams(**params))


def save_checkpoint(
    path: Path | str, module: nn.Module, card: ModelCard, dtype: torch.dtype | None = None
) -> None:
    """Write the weights and the card of `module`, aside first and then renamed into place.

    Args:
        path: Ends in .safetensors; its folder is made if need be.
        dtype: Storage of floating-point tensors; None keeps the module's. float16 halves the file.

    Raises:
        OutputError: The file can't be written.
    """
    tensors = {
        key: value.detach().to("cpu", dtype if value.is_floating_point() else None).contiguous().clone()
        for key, value in module.state_dict().items()
    }
    write_tensors(Path(path), tensors, card)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write a state dict that is already as it should be stored; see `save_checkpoint`."""
    header = {"format": "pt", KEY: json.dumps({"version": VERSION, **asdict(card)}, ensure_ascii=False)}
    blob = save(dict(tensors), metadata=header)
    with whole(path) as part:
        part.write_bytes(blob)


def load_checkpoint(path: Path | str, build: Build | None = None) -> tuple[nn.Module, ModelCard]:
    """Build the network a card names and load its weights, strictly; float32, eval mode, on the CPU.

    Args:
        build: Makes the network, for architectures that aren't in `architectures()`.

    Raises:
        CheckpointError: As `read_card`, or the weights don't fit the architecture; the message says how.
    """
    path = Path(path)
    card = read_card(path)
    module = _build(path, card, build)
    load_strictly(module, read_tensors(path), str(path))
    return module.eval(), card


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file, on the CPU, as stored.

    Raises:
        CheckpointError: The file is missing, damaged or of another kind.
    """
    check_kind(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as exc:
        raise CheckpointError(f"{path} is damaged or incomplete ({exc}); copy or download it again") from exc


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy `tensors` into `module`; every key and shape must fit.

    Raises:
        CheckpointError: Names what is missing, unexpected or of another shape.
    """
    own = module.state_dict()
    _check_shapes(
        own, {key: list(value.shape) for key, value in tensors.items()}, source, type(module).__name__
    )
    changed = [
        key
        for key in own
        if key.endswith(".filt") and not torch.allclose(own[key].cpu(), tensors[key].float())
    ]
    if changed:
        raise CheckpointError(f"{source} was trained with other blur filters ({_some(changed)})")
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values() if value.is_floating_point()):
        raise CheckpointError(
            f"{source} holds NaN or infinite weights; it was saved from a failed training run"
        )
    module.load_state_dict(dict(tensors))


def _check_shapes(
    own: Mapping[str, Tensor], tensors: Mapping[str, list[int]], source: str, kind: str
) -> None:
    shapes = [
        f"{key} is {tensors[key]}, expected {list(own[key].shape)}"
        for key in own
        if key in tensors and tensors[key] != list(own[key].shape)
    ]
    problems = [
        f"{len(keys)} {what} ({_some(keys)})"
        for what, keys in (
            ("missing", [key for key in own if key not in tensors]),
            ("unexpected", [key for key in tensors if key not in own]),
            ("of another shape", shapes),
        )
        if keys
    ]
    if problems:
        raise CheckpointError(f"{source} doesn't fit {kind}: tensors " + ", ".join(problems))


def _build(path: Path, card: ModelCard, build: Build | None) -> nn.Module:
    if build is None:
        known = architectures()
        if card.architecture not in known:
            names = ", ".join(sorted(known))
            raise CheckpointError(f"{path} holds a {card.architecture!r} network; expected one of: {names}")
        build = known[card.architecture]
    absurd = [
        name for name, value in card.params.items() if not _sane(value, _DEEPEST if _deep(name) else _WIDEST)
    ]
    if absurd or len(card.params) > _LONGEST_LIST:
        raise CheckpointError(
            f"{path}: bad parameters for {card.architecture!r}: absurd values of {_some(absurd)}"
        )
    try:
        shapes = _shapes(path)
        if _promised(card.params) > _GENEROUS * sum(map(math.prod, shapes.values())):
            with torch.device("meta"):  # takes no memory, whatever the card says, but a second to load
                draft = build(card.params)
            _check_shapes(draft.state_dict(), shapes, str(path), type(draft).__name__)
        return build(card.params)
    except (TypeError, ValueError, OverflowError, RuntimeError, ConfigError) as exc:
        raise CheckpointError(f"{path}: bad parameters for {card.architecture!r}: {exc}") from exc


def _deep(name: str) -> bool:
    """Whether a parameter counts layers rather than channels."""
    return any(word in name for word in ("block", "layer", "dilation"))


def _promised(params: Mapping[str, Any]) -> float:
    """Roughly, how many weights a network with these parameters has."""
    numbers = {
        name: [item for item in (value if isinstance(value, list | tuple) else [value]) if _number(item)]
        for name, value in params.items()
    }
    layers = _USUAL_LAYERS + sum(sum(items) for name, items in numbers.items() if _deep(name))
    widest = max((max(items) for name, items in numbers.items() if items and not _deep(name)), default=64)
    return 9 * float(2 * widest) ** 2 * layers


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sane(value: Any, most: int, depth: int = 0) -> bool:
    """Whether a parameter is small enough to be tried: no network of ours comes near these numbers."""
    if isinstance(value, bool | str) or value is None:
        return True
    if isinstance(value, int | float):
        return abs(value) <= most  # false for nan
    if not isinstance(value, Mapping | list | tuple) or len(value) > _LONGEST_LIST or depth > 3:
        return False
    items = value.values() if isinstance(value, Mapping) else value
    return all(_sane(item, most, depth + 1) for item in items)


def _shapes(path: Path) -> dict[str, list[int]]:
    try:
        with safe_open(str(path), framework="pt") as file:
            return {key: list(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as exc:
        raise CheckpointError(f"{path} is damaged or incomplete ({exc}); copy or download it again") from exc


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}, …"
