"""What somebody asks for in the window, as one value; and the command line that is asked for with it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from scenivid.engine.settings import StylizeSettings
from scenivid.errors import ConfigError
from scenivid.styles.zoo import entries

FORMATS: Mapping[str, tuple[str, str | None]] = {
    "mp4": (".mp4", None),
    "mp4-hevc": (".mp4", "hevc"),
    "webm": (".webm", None),
    "mov-prores": (".mov", "prores"),
    "mkv-ffv1": (".mkv", "ffv1"),
    "gif": (".gif", None),
    "png": (".png", None),
    "jpg": (".jpg", None),
}
"""What a result may be: suffix, and codec where it isn't the suffix's usual one."""
PICTURES = ("png", "jpg")
SMALLEST_PAINT = 64


@dataclass(frozen=True)
class Choices:
    """The dials. Names and ranges are those of `scenivid stylize`."""

    style: str = StylizeSettings.style
    strength: float = StylizeSettings.strength
    ink: float | None = None
    consistency: float = StylizeSettings.consistency
    paint: int | str = "auto"
    """Pixels, 'auto' or 'full'."""
    start: float | None = None
    """Seconds after the first frame."""
    duration: float | None = None
    """Seconds; None to the end."""
    format: str | None = None
    """One of `FORMATS`; None: mp4 for what moves, png for a picture."""

    def __post_init__(self) -> None:
        for name in ("strength", "consistency", "ink"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value <= 1):
                raise ConfigError(f"{name} must be a number between 0 and 1, got {value!r}")
        for name in ("start", "duration"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value <= 1e6):
                raise ConfigError(f"{name} must be seconds, got {value!r}")
        if self.duration == 0:
            raise ConfigError("duration must be more than 0 seconds")
        if self.paint not in ("auto", "full") and not (
            isinstance(self.paint, int) and not isinstance(self.paint, bool) and self.paint >= SMALLEST_PAINT
        ):
            raise ConfigError(f"paint must be 'auto', 'full' or pixels, got {self.paint!r}")
        if self.format is not None and self.format not in FORMATS:
            raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {self.format!r}")
        if self.style not in styles():
            raise ConfigError(f"no style {self.style!r}; here: {', '.join(styles())}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Choices:
        """Plain values, from JSON.

        Raises:
            ConfigError: one is unknown or out of range.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigError(f"unknown: {name!r}; known: {', '.join(known)}")
        return cls(**values)

    def kind(self, still: bool) -> str:
        """The format of the result.

        Raises:
            ConfigError: a picture as a video, or the other way round.
        """
        wanted = self.format or ("png" if still else "mp4")
        if still != (wanted in PICTURES):
            kinds = [name for name in FORMATS if (name in PICTURES) == still]
            raise ConfigError(f"{wanted} doesn't suit this source: choose one of {', '.join(kinds)}")
        return wanted

    def suffix(self, still: bool) -> str:
        """Of the result's name."""
        return FORMATS[self.kind(still)][0]

    def arguments(self, still: bool) -> list[str]:
        """Options of `scenivid stylize`: every dial, as the user's own defaults may be others."""
        found = ["--style", self.style, "--strength", f"{self.strength:g}"]
        if self.ink is not None:
            found += ["--ink", f"{self.ink:g}"]
        found += ["--consistency", f"{self.consistency:g}", "--paint", str(self.paint)]
        if self.start:
            found += ["--start", seconds(self.start)]
        if self.duration is not None:
            found += ["--duration", seconds(self.duration)]
        codec = FORMATS[self.kind(still)][1]
        return found + (["--codec", codec] if codec else [])

    def command(self, source: str, output: str, still: bool) -> str:
        """The line to type in a terminal for the same bytes."""
        names = [f"./{name}" if name.startswith("-") else name for name in (source, output)]
        return shlex.join(["scenivid", "stylize", *names, *self.arguments(still)])

    def settings(self, device: str = "auto") -> StylizeSettings:
        """The same for the engine, without which part and what format."""
        return StylizeSettings(
            style=self.style,
            strength=self.strength,
            ink=self.ink,
            consistency=self.consistency,
            paint=self.paint,  # type: ignore[arg-type]  # __post_init__ leaves an int, 'auto' or 'full'
            device=device,
        )


def styles() -> list[str]:
    """Styles by name that are on this machine, and 'none'. Files have no names: the page opens none."""
    return [*(entry.name for entry in entries() if entry.path is not None), "none"]


def seconds(value: float) -> str:
    """As the command line takes it, to the microsecond."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def exact(value: float | None) -> Fraction | None:
    """What `scenivid stylize` makes of it."""
    return None if value is None else Fraction(seconds(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
