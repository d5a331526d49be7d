"""What can't be detected of an ONNX network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scenivid.errors import ConfigError

RANGES: Mapping[str, tuple[float, float]] = {"signed": (2.0, -1.0), "unit": (1.0, 0.0), "byte": (255.0, 0.0)}
"""Scale and offset from [0, 1]."""


@dataclass(frozen=True)
class OnnxOptions:
    """How to talk to an ONNX network; "auto" detects."""

    layout: str = "auto"
    """"auto", "nchw" or "nhwc"."""
    value_range: str = "auto"
    """"auto", "signed" for [-1, 1], "unit" for [0, 1], "byte" for 0 to 255; in and out."""
    channels: str = "rgb"
    """"rgb" or "bgr", in and out; can't be detected."""
    multiple: int = 32
    """Frames are padded to a multiple of this where the network takes any size."""

    def __post_init__(self) -> None:
        for name, known in (
            ("layout", ("auto", "nchw", "nhwc")),
            ("value_range", ("auto", *RANGES)),
            ("channels", ("rgb", "bgr")),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(f"onnx {name} {getattr(self, name)!r}; expected one of: {', '.join(known)}")
        if self.multiple < 1:
            raise ConfigError(f"onnx multiple must be at least 1, got {self.multiple}")
