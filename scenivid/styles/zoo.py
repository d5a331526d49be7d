"""Every style by name: embedded in the package, installed by the user, published by others, or a file."""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.checkpoint import ModelCard, load_checkpoint, read_card
from scenivid.styles.onnx.opening import open_onnx
from scenivid.styles.onnx.options import OnnxOptions
from scenivid.styles.onnx.style_inputs import no_style_wanted
from scenivid.styles.places import embedded_dir, models_dir
from scenivid.styles.published import PUBLISHED, fetch
from scenivid.styles.stylizer import SMOOTHING, Stylizer, stylizer_for

STYLES = ("lite", "translator")
"""Architectures that are styles; other embedded networks serve other rooms."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A style that `load_style` knows by name."""

    name: str
    place: str
    """"embedded", "installed" or "published" (downloaded on first use)."""
    card: ModelCard
    path: Path | None
    """The file; None while it hasn't been downloaded."""


def entries() -> list[Entry]:
    """Every style known by name: embedded first, then installed, then published; names are unique."""
    found: dict[str, Entry] = {}
    for place, folder in (("embedded", embedded_dir()), ("installed", models_dir())):
        for path in sorted(folder.glob("*.safetensors")):
            try:
                card = read_card(path)
            except CheckpointError as exc:
                _log.warning("%s", exc)
                continue
            if card.architecture in STYLES:
                found.setdefault(path.stem, Entry(path.stem, place, card, path))
    for entry in PUBLISHED:
        card = ModelCard(
            entry.name,
            "translator",
            description=entry.about,
            licence=entry.licence,
            commercial_use=False,
        )
        found.setdefault(entry.name, Entry(entry.name, "published", card, None))
    return list(found.values())


def embedded() -> list[str]:
    """Names of the styles that come with the package."""
    return [entry.name for entry in entries() if entry.place == "embedded"]


def installed() -> list[str]:
    """Names of the styles in the user's models folder."""
    return [entry.name for entry in entries() if entry.place == "installed"]


def find(name_or_path: str) -> Path:
    """The safetensors file of a style, downloaded if it is a published one.

    Raises:
        ConfigError: No style of this name; the message lists those there are.
        CheckpointError: The file isn't there or can't be downloaded.
    """
    path = Path(name_or_path)
    if path.suffix == ".safetensors" or path.is_file():
        return path
    known = {entry.name: entry for entry in entries()}
    if name_or_path in known:
        found = known[name_or_path].path
        return found or fetch(next(entry for entry in PUBLISHED if entry.name == name_or_path))
    close = difflib.get_close_matches(name_or_path, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ConfigError(
        f"no style {name_or_path!r}; {hint}known: {', '.join(known)}, or a .safetensors or .onnx file"
    )


def card_of(name_or_path: str) -> ModelCard:
    """The model card of a style, without loading or downloading it.

    Raises:
        ConfigError: No style of this name.
        CheckpointError: The file is damaged or not one of ours.
    """
    for entry in entries():
        if entry.name == name_or_path:
            return entry.card
    return read_card(find(name_or_path))


def load_style(
    name_or_path: str,
    device: torch.device,
    precision: str = "auto",
    *,
    strength: float = 1.0,
    smoothing: float = SMOOTHING,
    onnx: OnnxOptions | None = None,
    style_image: Path | None = None,
    style_predictor: Path | None = None,
) -> Stylizer:
    """A style, ready to translate.

    Args:
        name_or_path: One of `entries()`, a .safetensors file with a card, or any image-to-image .onnx file.
        precision: "auto", "fp32", "bf16" or "fp16"; ONNX networks keep their own.
        strength: 0..1. Only networks with a dial heed it, and paint at no less than 0.25: what is left is the
            caller's to blend (`stylizer.blend_for`).
        smoothing: Time constant, in frames, of normalisation moments, for networks that have them; 0 is off.
        onnx: What can't be detected of an ONNX network.
        style_image: The picture of the style, for ONNX networks that take one.
        style_predictor: The ONNX network that makes a vector of it, for networks that want that.

    Raises:
        ConfigError: No such style, or a precision that doesn't suit the device.
        CheckpointError: The file is missing, damaged, or not a style.
        DependencyError: An ONNX file without onnxruntime.
    """
    path = Path(name_or_path)
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, device, onnx or OnnxOptions(), style_image, style_predictor)
    if style_image is not None or style_predictor is not None:
        raise no_style_wanted(name_or_path)
    if path.suffix.lower() in (".pth", ".pt", ".ckpt", ".bin"):
        raise ConfigError(f"{path} is not a style file; try `scenivid styles import {path}` first")
    network, card = _load(name_or_path)
    if not card.commercial_use:
        _log.warning("style %s is licensed for non-commercial use: %s", card.name, card.licence)
    return stylizer_for(network, card, device, precision, smoothing, strength)


def _load(name_or_path: str) -> tuple[nn.Module, ModelCard]:
    path = find(name_or_path)
    published = next((entry for entry in PUBLISHED if entry.name == name_or_path), None)
    try:
        return load_checkpoint(path)
    except CheckpointError as exc:
        if published is None or path.parent != models_dir():
            raise
        _log.warning("%s; fetching it again", exc)
    return load_checkpoint(fetch(published, again=True))
