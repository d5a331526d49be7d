"""Where styles lie on this machine."""

from __future__ import annotations

from pathlib import Path

from scenivid import weights
from scenivid.machine import places


def models_dir() -> Path:
    """Where imported and downloaded models are kept."""
    return places.cache_dir() / "models"


def embedded_dir() -> Path:
    """Where the styles lie that come with the package."""
    return Path(weights.__path__[0])


def find_here(name_or_path: str) -> Path | None:
    """The file of a style if it is on this machine; nothing is downloaded, and no style is no error."""
    folders = (Path(), embedded_dir(), models_dir())
    names = (name_or_path, f"{name_or_path}.safetensors", f"{name_or_path}.safetensors")
    paths = (place / name for place, name in zip(folders, names, strict=True))
    return next((path for path in paths if path.is_file()), None)
