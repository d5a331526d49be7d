"""How a source is read, besides which part of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from scenivid.errors import ConfigError

MAX_PIXELS = 200_000_000
"""Pixels of the largest picture that is decoded unless the user allows more: beyond any camera's, and a
few gigabytes of work already."""
DEINTERLACE = ("auto", "off")
ON_ERROR = ("stop", "skip", "keep")


@dataclass(frozen=True)
class ReadSettings:
    """What the user may choose about reading."""

    max_pixels: int = MAX_PIXELS
    """Largest width x height that is decoded; more is refused by what the header says, before any work."""
    deinterlace: str = "auto"
    """'auto' makes whole frames of those that say they are interlaced; 'off' leaves their combs."""
    on_error: str = "stop"
    """'stop' ends at a frame that can't be decoded; 'skip' and 'keep' pass over it and count it."""
    strict: bool = False
    """Any damage is an error, also what could be patched or passed over."""
    rate_hz: Fraction | None = None
    """Frames a second of a folder of frames, which carries none itself; None for 24."""

    def __post_init__(self) -> None:
        if self.max_pixels < 1:
            raise ConfigError(f"max_pixels must be at least 1, got {self.max_pixels}")
        if self.deinterlace not in DEINTERLACE:
            raise ConfigError(
                f"deinterlace must be one of {', '.join(DEINTERLACE)}, got {self.deinterlace!r}"
            )
        if self.on_error not in ON_ERROR:
            raise ConfigError(f"on_error must be one of {', '.join(ON_ERROR)}, got {self.on_error!r}")
        if self.rate_hz is not None and not 0 < self.rate_hz <= 1000:
            raise ConfigError(f"fps must lie above 0 and up to 1000, got {float(self.rate_hz):g}")
