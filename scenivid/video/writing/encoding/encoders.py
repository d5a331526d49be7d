"""Which encoder, pixel format and quality a result gets."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import av
from av.video.format import VideoFormat

from scenivid.errors import ConfigError, OutputError
from scenivid.machine.lazy import torch
from scenivid.video.color import bits, has_alpha
from scenivid.video.info import VideoInfo
from scenivid.video.writing.encoding import nvenc
from scenivid.video.writing.encoding.codecs import CODECS, MOVING_PICTURES, Codec
from scenivid.video.writing.encoding.pixel_formats import asked_for, chroma_for, format_for, losses
from scenivid.video.writing.encoding.presets import PAINTED, preset_options


@dataclass(frozen=True)
class Encoding:
    """How frames are compressed."""

    codec: str
    encoder: str
    """FFmpeg's name: 'libx264', 'h264_nvenc', …"""
    pix_fmt: str
    options: dict[str, str]
    deep: bool
    """Whether more than 8 bits are stored."""
    notes: tuple[str, ...] = ()
    """What differs from the source, in words."""

    def threads(self, height: int) -> int:
        """Threads of the encoder; 0 leaves them to it.

        Where the bytes depend on them, it must not be the machine that decides. Each holds frames of its own
        and waits for the others, so that there are no more than encode several times faster than is painted.
        """
        if self.encoder == "libx264":
            return max(2, min(6, round(height / 360)))
        return 3 if self.encoder == "libx265" else 0

    @property
    def dtype(self) -> torch.dtype:
        """Pixels that the writer takes: uint8, or uint16 where more than 8 bits are stored."""
        return torch.uint16 if self.deep else torch.uint8

    @property
    def restartable(self) -> bool:
        """Whether pieces of several encoders make one track: not where packets are more than their bytes."""
        if self.codec == "vp9" and has_alpha(VideoFormat(self.pix_fmt)):
            return False
        return self.codec not in MOVING_PICTURES


def encoding_for(
    codec: str,
    info: VideoInfo,
    crf: float | None,
    device: str,
    *,
    preset: str | None = None,
    pixel_format: str | None = None,
) -> Encoding:
    """Decide how `info`'s frames are stored as `codec`.

    H.264, HEVC, AV1 and VP9 become what every player shows: 4:2:0, 8 bits (10 for HEVC and AV1 where the
    source has more than 8: it is their main profile). ProRes and FFV1 follow the source's chroma sampling
    and depth; ffv1 stores RGB: what is written is what is read. With 4:2:0, H.264 and HEVC hold even sizes
    only and can't crop by one pixel, so an odd size is stored as 4:4:4 rather than losing a row. HDR is
    tone-mapped before it comes here and is stored in 8 bits.

    Args:
        codec: 'h264', 'hevc', 'av1', 'vp9', 'prores', 'ffv1', 'gif', 'apng' or 'y4m'.
        info: of the source.
        crf: constant quality, smaller is better; None for the codec's default.
        device: 'cuda' or 'cuda:N' tries NVENC first.
        preset: one of PRESETS; None for the codec's default.
        pixel_format: FFmpeg's name of what to store instead: 'yuv422p', 'yuv420p10', …

    Raises:
        ConfigError: `crf`, `preset` or `pixel_format` is out of range or means nothing to this codec.
        OutputError: this build of FFmpeg has no encoder for `codec`.
    """
    table = CODECS[codec]
    quality = _quality(codec, table, crf)
    if preset is not None:
        preset_options(table.encoders[0], preset)
    notes: list[str] = []
    if info.color.hdr:
        notes.append(f"HDR ({info.color.transfer}) was tone-mapped to SDR, BT.709, 8 bits")
    wanted = 8 if info.color.hdr else info.bit_depth
    depth = next((count for count in table.depths if count >= wanted), table.depths[-1])
    chroma = chroma_for(table, info)
    if pixel_format is None:
        pix_fmt = format_for(codec, table, info, chroma, depth)
        notes += losses(codec, table, info, pix_fmt, chroma, depth, wanted)
    else:
        pix_fmt = asked_for(pixel_format, codec, table, info)
        depth = bits(VideoFormat(pix_fmt))
        wanted = max(wanted, depth)  # what is painted has more levels than the source
    if info.alpha and not has_alpha(VideoFormat(pix_fmt)):
        notes.append(f"{codec} as {pix_fmt} can't hold transparency: it was laid on black")
    if info.alpha and codec == "gif":
        notes.append("gif knows only transparent and opaque: what is half transparent became either")
    options: dict[str, str] = {}
    encoder = ""
    if device.startswith("cuda") and table.nvenc:
        encoder, options, reason = nvenc.settings_for(table.nvenc, info, pix_fmt, quality, preset or "medium")
        if not encoder:
            notes.append(f"{table.nvenc} can't be used ({reason}): encoding on the CPU")
    if encoder:
        pix_fmt = nvenc.FORMATS[pix_fmt]
    else:
        encoder = _software(codec, table)
        options = dict(table.options.get(encoder, {}))
        chosen = preset or table.preset
        if chosen is not None:
            options |= preset_options(encoder, chosen)
        if preset is None and encoder == "libx264":
            options["x264-params"] += f":{PAINTED}"
        if quality is not None:
            options["crf"] = f"{quality:g}"
        if encoder == "ffv1" and min(info.width, info.height) < 2:  # slices are cut both ways
            options["slices"] = "1"
        if codec == "prores":
            options |= {"profile": "4444" if "444" in pix_fmt else "hq", "vendor": "apl0"}
        if encoder == "libvpx-vp9" and has_alpha(VideoFormat(pix_fmt)):
            options["auto-alt-ref"] = "0"  # its hidden frames have no place for transparency
    return Encoding(codec, encoder, pix_fmt, options, depth > 8 and wanted > 8, tuple(notes))


def _quality(codec: str, table: Codec, crf: float | None) -> float | None:
    if table.crf is None:
        if crf is not None:
            raise ConfigError(f"--crf means nothing to {codec}, which has one quality only: leave it out")
        return None
    low, high, default = table.crf
    if crf is None:
        return default
    if not low <= crf <= high:
        raise ConfigError(f"--crf {crf:g} is outside {low:g}..{high:g}, the range of {codec}")
    return crf


def _software(codec: str, table: Codec) -> str:
    for name in table.encoders:
        with contextlib.suppress(ValueError):  # PyAV's UnknownCodecError is one
            return av.Codec(name, "w").name
    raise OutputError(
        f"this build of PyAV has no encoder for {codec} ({', '.join(table.encoders)}): choose another"
    )
