"""Model cards: what a weights file says about itself, in the header of a safetensors file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from scenivid.errors import CheckpointError, ConfigError

KEY = "scenivid"
"""Of the card in the header."""
VERSION = 1
_LONGEST_HEADER = 100_000_000
_LONGEST_CARD = 1 << 20
UNKNOWN_LICENCE = "unknown: ask the owners of the training pictures"


@dataclass(frozen=True)
class ModelCard:
    """What a weights file says about itself; stored as JSON in its header."""

    name: str
    architecture: str
    """Key of `architectures()`, such as "lite" or "translator"."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the architecture's params dataclass."""
    description: str = ""
    licence: str = UNKNOWN_LICENCE
    commercial_use: bool = False
    """Whether the licences allow it, as far as is known; where not, the user is told on loading."""
    data: tuple[str, ...] = ()
    """Training data, one source a row, with its licence."""
    paint: int | None = None
    """Shorter side, in pixels, that it was trained to paint at; None: whatever size comes."""
    ink: float | None = None
    """Default darkness of its lines, 0..1; None where it gives no line field."""
    recipe: str = ""
    """How to make it again: the recipe's path and what was overridden."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Measured results, name to value."""
    limits: str = ""
    """What it can't do: where it fails."""
    notes: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", tuple(self.data))
        if self.paint is not None and self.paint < 64:
            raise ConfigError(f"a style's painting size must be at least 64 pixels, got {self.paint}")
        if self.ink is not None and not 0 <= self.ink <= 1:
            raise ConfigError(f"a style's ink must lie between 0 and 1, got {self.ink}")


_KINDS: dict[str, Any] = {
    **dict.fromkeys(("name", "architecture", "description", "licence", "recipe", "limits", "notes"), str),
    "params": Mapping,
    "figures": Mapping,
    "commercial_use": bool,
}


def read_card(path: Path | str) -> ModelCard:
    """The card of a weights file, without reading the weights.

    Raises:
        CheckpointError: The file is missing, damaged, or not one of ours.
    """
    path = Path(path)
    check_kind(path)
    try:
        with safe_open(str(path), framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as exc:
        raise CheckpointError(f"{path} is damaged or incomplete ({exc}); copy or download it again") from exc
    if KEY not in metadata:
        raise CheckpointError(
            f"{path} is a safetensors file without a scenivid model card; "
            "`scenivid styles import` takes Scenimefy generators, nothing else can be guessed"
        )
    return _parse_card(path, metadata[KEY])


def check_kind(path: Path) -> None:
    """Tell safetensors from what people pass by mistake, by the first bytes.

    Raises:
        CheckpointError: Says what the file is instead.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
            size = file.seek(0, os.SEEK_END)
    except IsADirectoryError as exc:
        raise CheckpointError(f"{path} is a folder; expected a .safetensors file") from exc
    except OSError as exc:
        raise CheckpointError(f"can't read {path}: {exc.strerror or exc}") from exc
    if is_pickle(head):
        raise CheckpointError(
            f"{path} is a pickled torch file; turn it into safetensors with `scenivid styles import {path}`"
        )
    length = int.from_bytes(head[:8], "little")
    if size < 10 or head[8:9] != b"{" or length > _LONGEST_HEADER:
        raise CheckpointError(f"{path} is not a safetensors file ({size} bytes)")
    if size < 8 + length:
        raise CheckpointError(f"{path} is incomplete ({size} bytes); copy or download it again")


def is_pickle(head: bytes) -> bool:
    """Whether a file that begins so is a torch file: a zip, or a pickle of protocol 2 to 5.

    The 0x80 of a pickle may also belong to the length of a safetensors header; that begins with a brace.
    """
    pickled = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return head[:4] == b"PK\x03\x04" or (pickled and head[8:9] != b"{")


def _parse_card(path: Path, text: str) -> ModelCard:
    if len(text) > _LONGEST_CARD:
        raise CheckpointError(f"{path} has a damaged model card ({len(text)} characters)")
    try:
        values = json.loads(text)
        version = values.pop("version")
        if version > VERSION:
            raise CheckpointError(f"{path} was written by a newer scenivid (card version {version}); update")
        known = {entry.name for entry in fields(ModelCard)}
        card = ModelCard(**{key: value for key, value in values.items() if key in known})
        json.dumps(asdict(card))  # nested too deep for other uses
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ConfigError) as exc:
        raise CheckpointError(f"{path} has a damaged model card ({exc})") from exc
    wrong = [name for name, kind in _KINDS.items() if not isinstance(getattr(card, name), kind)]
    wrong += [] if all(isinstance(line, str) for line in card.data) else ["data"]
    if wrong:
        raise CheckpointError(f"{path} has a damaged model card ({', '.join(wrong)} of the wrong type)")
    return card
