"""Made clips, each written once a test run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Shelf:
    """Makes a clip on first demand and keeps it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, object] = {}

    def take(self, maker: Callable[..., T], suffix: str = ".mp4", **arguments: object) -> T:
        """`maker(path, **arguments)`, from the shelf where it was made before."""
        name = (
            "-".join([maker.__name__, *(f"{key}{value}" for key, value in sorted(arguments.items()))])
            + suffix
        )
        if name not in self._made:
            self._made[name] = maker(self._folder / name, **arguments)
        made: T = self._made[name]  # type: ignore[assignment]
        return made
