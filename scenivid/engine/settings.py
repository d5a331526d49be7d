"""What a run shall do, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from scenivid.errors import ConfigError
from scenivid.styles.onnx.options import OnnxOptions
from scenivid.styles.tiling import SMALLEST
from scenivid.temporal import DEFAULT_CONSISTENCY
from scenivid.video.reading.settings import MAX_PIXELS, ReadSettings


@dataclass(frozen=True)
class StylizeSettings:
    """Everything that decides the output, besides the input."""

    style: str = "aozora"
    """Name of a style, a .safetensors or .onnx file, or 'none' for the identity."""
    strength: float = 1.0
    """0 = source, 1 = full style. A style with a dial paints with smaller brushes and gentler colour, down to
    0.25; below that, and for other styles, frames are blended in the encoded (perceptually even) RGB."""
    ink: float | None = None
    """Darkness of the lines of styles that draw them, 0..1; None = the style's own."""
    guard: str = "off"
    """'on' lets the source through where the style has painted something else: leaves into a sky, say."""
    style_image: Path | None = None
    """The picture of the style, for ONNX networks that take one beside the content."""
    style_predictor: Path | None = None
    """The ONNX network that makes a vector of it, where one is wanted; None looks beside the style."""
    like: Path | None = None
    """A picture whose palette and tone the result takes, on top of the style."""
    consistency: float = DEFAULT_CONSISTENCY
    """0 = each frame alone, 1 = steadiest."""
    flow: str = "auto"
    flow_weights: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    batch: int | Literal["auto"] = "auto"
    """Frames translated at once."""
    tile: int | Literal["auto", "none"] = "auto"
    """Side of a tile in pixels."""
    engine: str = "auto"
    """What runs lite networks on the CPU: torch, openvino, onnx, or the fastest that is installed."""
    paint: int | Literal["auto", "full"] = "auto"
    """Shorter side, in pixels, at which larger frames are painted before they are finished at full size;
    'auto': what the style was trained for."""
    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    """How hard the encoder tries, by x264's names; None for the codec's own."""
    pixel_format: str | None = None
    """What is stored, by FFmpeg's name; None for what players can show."""
    stream: str | None = None
    """What a result on the standard output (`-`) is: 'y4m', 'png', 'ppm' or 'jpeg'; None for Y4M."""
    start: Fraction | None = None
    """Seconds after the first frame."""
    duration: Fraction | None = None
    """Seconds."""
    decoder: str = "auto"
    max_pixels: int = MAX_PIXELS
    """Largest picture that is read, width x height."""
    deinterlace: str = "auto"
    """'auto' or 'off'."""
    on_error: str = "stop"
    """What a damaged frame does: 'stop', or 'skip' or 'keep' to go on with a note. A frame for which the
    network gives values that are no numbers stops the run too, else the source's is kept."""
    strict: bool = False
    """Damage that could be passed over or patched is an error too."""
    fps: Fraction | None = None
    """Frames a second of a folder of frames; None for 24."""
    overwrite: bool = False
    resume: bool = False
    """Go on with what a run that was stopped or killed has left of this output; and leave it, if stopped."""
    agreed: Path | None = None
    """Folder that says what 'auto' becomes for all runs that name it (see `engine.agreed`)."""
    serial: bool = False
    """No threads between the stages, to find faults; the result is the same."""
    onnx: OnnxOptions = field(default_factory=OnnxOptions)

    def __post_init__(self) -> None:
        for name in ("strength", "consistency", "ink"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{name} must lie between 0 and 1, got {value}")
        if self.guard not in ("off", "on"):
            raise ConfigError(f"guard must be off or on, got {self.guard!r}")
        if isinstance(self.paint, int) and self.paint < SMALLEST:
            raise ConfigError(f"paint must be at least {SMALLEST} pixels, got {self.paint}")
        if isinstance(self.batch, int) and self.batch < 1:
            raise ConfigError(f"batch must be at least 1, got {self.batch}")
        if self.duration is not None and self.duration <= 0:
            raise ConfigError("duration must be more than 0 seconds")
        _ = self.reading

    @property
    def reading(self) -> ReadSettings:
        """Those that say how the source is read.

        Raises:
            ConfigError: one is out of range.
        """
        return ReadSettings(self.max_pixels, self.deinterlace, self.on_error, self.strict, self.fps)
