"""What each codec can hold, and what it gets where nobody asks for more."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Codec:
    encoders: tuple[str, ...]
    """The first that this build of FFmpeg has is used."""
    crf: tuple[float, float, float] | None
    """Lowest, highest and default quality number; None where there is no such thing."""
    chromas: tuple[str, ...]
    """Chroma formats used without being asked: 4:2:0 alone where players can't be trusted with more."""
    depths: tuple[int, ...]
    """Bits per component without being asked, the smallest first."""
    preset: str | None = None
    """Preset on the CPU, by default; so quick that 960x540 encodes faster than it is stylised."""
    options: dict[str, dict[str, str]] = field(default_factory=dict)
    """Settings by encoder."""
    nvenc: str | None = None
    odd_420: bool = False
    """Whether 4:2:0 may have an odd width or height."""
    odd_422: bool = True
    """Whether 4:2:2 may have an odd width: FFmpeg's ProRes loses the last column's colour."""
    alpha: str | None = None
    """Pixel format that has room for transparency."""
    deep_alpha: str | None = None
    """The same with more than 8 bits, where there is one."""
    formats: tuple[str, ...] = ()
    """Pixel formats that it takes, where FFmpeg doesn't say."""


CODECS = {
    "h264": Codec(
        ("libx264",),
        (0, 51, 17),
        ("420",),
        (8,),
        "veryfast",
        # Else its rate control isn't the same on every processor, nor, in small frames, on every run.
        {"libx264": {"x264-params": "cpu-independent=1"}},
        nvenc="h264_nvenc",
    ),
    "hevc": Codec(
        ("libx265",),
        (0, 51, 19),
        ("420",),
        (8, 10),
        "fast",
        # x265 writes to stderr itself, past FFmpeg's log.
        {"libx265": {"x265-params": "log-level=none"}},
        nvenc="hevc_nvenc",
    ),
    "av1": Codec(
        ("libsvtav1", "libaom-av1"),
        (0, 63, 26),
        ("420",),
        (8, 10),
        "fast",
        {"libaom-av1": {"row-mt": "1"}},
        nvenc="av1_nvenc",
        odd_420=True,
    ),
    "vp9": Codec(
        ("libvpx-vp9",),
        (0, 63, 24),
        ("420",),
        (8,),
        "fast",
        {"libvpx-vp9": {"deadline": "good", "row-mt": "1"}},
        odd_420=True,
        alpha="yuva420p",
    ),
    "prores": Codec(
        ("prores_ks",),
        None,
        ("422", "444"),
        (10,),
        odd_420=True,
        odd_422=False,
        alpha="yuva444p10le",
        deep_alpha="yuva444p10le",
    ),
    "ffv1": Codec(
        ("ffv1",),
        None,
        ("rgb",),
        (8, 16),
        options={"ffv1": {"level": "3", "slices": "4", "slicecrc": "1"}},
        alpha="bgra",
        deep_alpha="gbrap16le",
    ),
    "gif": Codec(("gif",), None, ("pal",), (8,)),
    "apng": Codec(
        ("apng",),
        None,
        ("rgb",),
        (8, 16),
        alpha="rgba",
        deep_alpha="rgba64be",
        options={"apng": {"pred": "mixed"}},
    ),
    "y4m": Codec(
        ("rawvideo",),
        None,
        ("420", "422", "444"),
        (8, 10, 12, 16),
        odd_420=True,
        formats=tuple(
            f"yuv{chroma}p{depth}"
            for depth in ("", "10le", "12le", "16le")
            for chroma in ("420", "422", "444")
        ),
    ),
}
MOVING_PICTURES = frozenset(("gif", "apng", "webp"))
"""Their packets are more than their bytes."""
