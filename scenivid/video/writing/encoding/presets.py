"""How hard an encoder tries: x264's names, translated for the other encoders."""

from __future__ import annotations

from scenivid.errors import ConfigError

PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)
"""From quick and large to slow and small."""
PAINTED = "me=dia:partitions=i8x8,i4x4"
"""What x264 needn't try on painted pictures, beside its preset veryfast: it takes a fifth less time, for the
same size and 0 to 0.2 dB less."""
_SVT_AV1 = (12, 11, 10, 9, 8, 6, 5, 4, 2)
_VPX = (8, 7, 6, 5, 4, 3, 2, 1, 0)
_AOM = (8, 8, 7, 7, 6, 5, 4, 3, 2)
_NVENC = (1, 2, 3, 4, 4, 5, 6, 7, 7)


def preset_options(encoder: str, preset: str) -> dict[str, str]:
    """Options that make FFmpeg's `encoder` try as hard as `preset` says.

    Raises:
        ConfigError: no such preset, or one for an encoder that has none.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    place = PRESETS.index(preset)
    if encoder in {"libx264", "libx265"}:
        return {"preset": preset}
    if encoder == "libsvtav1":
        return {"preset": str(_SVT_AV1[place])}
    if encoder == "libvpx-vp9":
        return {"cpu-used": str(_VPX[place])}
    if encoder == "libaom-av1":
        return {"cpu-used": str(_AOM[place])}
    if encoder.endswith("_nvenc"):
        return {"preset": f"p{_NVENC[place]}"}
    raise ConfigError(f"--preset means nothing to {encoder}: leave it out")
