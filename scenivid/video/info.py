"""What a video file says about itself, as values that cross module borders."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True)
class ColorInfo:
    """How the stored samples map to light. Names are FFmpeg's (`bt709`, `smpte170m`, `smpte2084`, …)."""

    matrix: str
    """YUV matrix actually used to decode, never 'unspecified' (a guess is made and noted)."""
    full_range: bool
    """Whether values span 0..255, not 16..235."""
    primaries: str
    transfer: str
    tagged: bool
    """Whether the file says so itself; if not, `matrix` and the rest are our guess."""

    remarks: tuple[str, ...] = ()
    """What the user should know about the guess, in sentences."""

    @property
    def hdr(self) -> bool:
        """True for PQ and HLG."""
        return self.transfer in {"smpte2084", "arib-std-b67"}


@dataclass(frozen=True)
class AudioInfo:
    """One audio track."""

    codec: str
    channels: int
    sample_rate_hz: int
    language: str | None


@dataclass(frozen=True)
class VideoInfo:
    """One video stream, as it is shown: sizes are after rotation."""

    path: Path
    width: int
    """Pixels, after rotation."""
    height: int
    """Pixels, after rotation."""
    rotation: int
    """Degrees clockwise that the reader has applied: 0, 90, 180 or 270."""
    sample_aspect: Fraction
    """Shape of one pixel, width/height, after rotation."""
    rate_hz: Fraction
    """Average frame rate (24 for a frame folder); a hint for display and codecs, timing comes from pts."""
    frames: int | None
    """Number of frames: counted in `open_video`, as the container announces in `probe`; None if unknown."""
    duration: Fraction | None
    """Seconds from the first frame to the end of the last; None if unknown."""
    start: Fraction
    """Presentation time of the first frame, in seconds."""
    time_base: Fraction
    """Unit of the stream's pts, in seconds."""
    bit_depth: int
    """Bits per component: 8, 10, 12 or 16."""
    chroma: str
    """Stored chroma sampling: '420', '422', '444', '411', '440', 'rgb' or 'gray'."""
    codec: str
    container: str
    """FFmpeg's name of the container, or 'frames' for a folder of images."""
    stream_index: int
    """Which stream of the container is read (the best one, not merely the first)."""
    color: ColorInfo
    audio: tuple[AudioInfo, ...]
    subtitles: int
    """Number of subtitle tracks."""
    alpha: bool = False
    """Whether frames carry transparency: clips then have `alpha`."""
    plays: int = 0
    """How often a moving picture (GIF, APNG, WebP) is shown; 0 for ever."""
    names: tuple[str, ...] = ()
    """File names of a frame folder, in reading order; empty for a video."""
