"""Awkward little clips, made with PyAV, whose contents are known: shared by readers' and writer's tests.

Every picture has four quadrants: red, green, blue, and a grey whose level counts the frames, so that
order and orientation can be told from decoded pixels (`index_of`, `CORNERS`).
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from clip_parts import CORNERS as CORNERS
from clip_parts import FRAMES, SIZE, Sound, add_sound, add_subtitles, mov_text, picture, write_sound
from clip_parts import index_of as index_of
from clip_parts import level as level

_BT709, _BT601, _BT2020, _PQ, _HLG = 1, 6, 9, 16, 18
_LIMITED, _FULL = 1, 2


@dataclass(frozen=True)
class Made:
    """A clip and what must be read from it."""

    path: Path
    pts: tuple[Fraction, ...]
    """Seconds."""
    width: int
    """Stored pixels."""
    height: int


def write_clip(
    path: Path,
    *,
    ticks: Sequence[int] = tuple(range(FRAMES)),
    time_base: Fraction = Fraction(1, 25),
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    mux: dict[str, str] | None = None,
    matrix: int | None = None,
    full_range: bool = False,
    primaries: int | None = None,
    transfer: int | None = None,
    aspect: Fraction | None = None,
    clockwise: int = 0,
    mirrored: bool = False,
    sounds: Sequence[Sound] = (),
    subtitles: str | None = None,
    chapters: bool = False,
    title: str | None = None,
) -> Made:
    """Write a clip with one frame at each of `ticks` (in `time_base`); tags only where given."""
    if codec == "libx264":
        options = {"preset": "ultrafast", "crf": "8", "threads": "1"} | (options or {})
    elif codec == "libx265":
        options = {"preset": "ultrafast", "crf": "8", "x265-params": "log-level=none:pools=1"} | (
            options or {}
        )
    width, height = size
    with av.open(str(path), "w", options=mux or {}) as container:
        if title is not None:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=Fraction(1) / time_base, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.time_base = stream.codec_context.time_base = time_base
        tags = {"colorspace": matrix, "color_primaries": primaries, "color_trc": transfer}
        for name, value in tags.items():
            if value is not None:
                setattr(stream.codec_context, name, value)
        if matrix is not None or full_range:
            stream.codec_context.color_range = _FULL if full_range else _LIMITED
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if clockwise or mirrored:
            stream.set_display_rotation(-clockwise, hflip=mirrored)
        tracks = [add_sound(container, sound) for sound in sounds]
        text = add_subtitles(container, subtitles) if subtitles else None
        if chapters:
            container.set_chapters(
                [
                    {"id": n, "start": 200 * n, "end": 200 * (n + 1), "time_base": Fraction(1, 1000)}
                    | {"metadata": {"title": f"Part {n + 1}"}}
                    for n in range(2)
                ]
            )
        container.start_encoding()
        length = float((ticks[-1] - ticks[0] + 1) * time_base) if ticks else 0.4
        for track, sound in zip(tracks, sounds, strict=True):
            write_sound(container, track, sound, length)
        if text is not None:
            for number in range(2):
                packet = av.Packet(f"Line {number}".encode() if subtitles != "mov_text" else mov_text(number))
                packet.stream, packet.time_base = text, Fraction(1, 1000)
                packet.pts = packet.dts = 100 + 150 * number
                packet.duration = 100
                container.mux(packet)
        for index, tick in enumerate(ticks):
            frame = _frame(index, width, height, pix_fmt, matrix, full_range)
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Made(path, tuple(tick * time_base for tick in ticks), width, height)


def plain(path: Path) -> Made:
    """8-bit H.264, BT.709 limited, constant rate."""
    return write_clip(path, matrix=_BT709, primaries=_BT709, transfer=_BT709)


def variable_rate(path: Path) -> Made:
    """Frames at uneven times, in milliseconds."""
    ticks = (0, 40, 90, 100, 250, 283, 317, 500, 501, 740, 1000, 1033)
    return write_clip(path, ticks=ticks, time_base=Fraction(1, 1000), matrix=_BT709)


def b_frames(path: Path) -> Made:
    """B-frames in pyramids and two groups of pictures: dts begin below zero."""
    options = {"bf": "3", "b-pyramid": "normal", "g": "6", "x264-params": "b-adapt=0:scenecut=0"}
    return write_clip(path, options=options, matrix=_BT709)


def open_groups(path: Path) -> Made:
    """B-frames that refer across group borders."""
    options = {"bf": "2", "g": "6", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}
    return write_clip(path, options=options, matrix=_BT709)


def start_offset(path: Path, seconds: int = 8) -> Made:
    """The first frame is shown `seconds` after zero."""
    first = 25 * seconds + 3
    return write_clip(path, ticks=tuple(range(first, first + FRAMES)), matrix=_BT709)


def edit_list(path: Path, hidden: int = 3) -> Made:
    """An MP4 whose edit list hides the first `hidden` frames, which later ones need."""
    made = write_clip(path, ticks=tuple(range(-hidden, FRAMES - hidden)), matrix=_BT709)
    return Made(path, made.pts[hidden:], made.width, made.height)


def rotated(path: Path, clockwise: int, *, mirrored: bool = False) -> Made:
    """To be turned clockwise for display by a multiple of 90 degrees; SAR 4:3 as stored."""
    aspect = Fraction(4, 3)
    return write_clip(path, clockwise=clockwise, mirrored=mirrored, aspect=aspect, matrix=_BT709)


def odd_size(path: Path) -> Made:
    """Odd width and height, 4:4:4 so that H.264 can store them."""
    return write_clip(path, size=(97, 63), pix_fmt="yuv444p", matrix=_BT709)


def odd_size_420(path: Path) -> Made:
    """Odd width and height with subsampled chroma (VP9)."""
    options = {"lossless": "1", "deadline": "realtime", "cpu-used": "8"}
    return write_clip(path, size=(97, 63), codec="libvpx-vp9", options=options, matrix=_BT709)


def anamorphic(path: Path) -> Made:
    """Pixels 4:3 wide."""
    return write_clip(path, aspect=Fraction(4, 3), matrix=_BT709)


def full_range(path: Path) -> Made:
    """8-bit BT.709 stored 0..255."""
    return write_clip(path, matrix=_BT709, full_range=True)


def bt601(path: Path) -> Made:
    """8-bit BT.601, limited range."""
    return write_clip(path, matrix=_BT601, primaries=_BT601, transfer=_BT601)


def untagged(path: Path, size: tuple[int, int] = SIZE) -> Made:
    """No colour tags at all (encoded by the matrix that players assume for the size)."""
    return write_clip(path, size=size)


def ten_bit(path: Path) -> Made:
    """10-bit H.264, BT.709."""
    return write_clip(path, pix_fmt="yuv420p10le", matrix=_BT709, primaries=_BT709, transfer=_BT709)


def hdr10(path: Path) -> Made:
    """10-bit HEVC tagged BT.2020 and PQ."""
    return write_clip(
        path, codec="libx265", pix_fmt="yuv420p10le", matrix=_BT2020, primaries=_BT2020, transfer=_PQ
    )


def hlg(path: Path) -> Made:
    """10-bit HEVC tagged BT.2020 and HLG."""
    return write_clip(
        path, codec="libx265", pix_fmt="yuv420p10le", matrix=_BT2020, primaries=_BT2020, transfer=_HLG
    )


def gif(path: Path) -> Made:
    """A GIF, 10 frames a second."""
    return write_clip(path, codec="gif", pix_fmt="rgb8", time_base=Fraction(1, 10))


def lossless_rgb(path: Path) -> Made:
    """FFV1 of RGB in Matroska: pixels survive exactly."""
    return write_clip(path, codec="ffv1", pix_fmt="bgr0")


def many_tracks(path: Path) -> Made:
    """5.1 sound, a second track in French, subtitles (the container's own kind), chapters, a title."""
    kind = "srt" if path.suffix == ".mkv" else "mov_text"
    sounds = (Sound(layout="5.1", language="eng"), Sound(layout="mono", language="fra"))
    return write_clip(path, sounds=sounds, subtitles=kind, chapters=True, title="Many tracks", matrix=_BT709)


def one_frame(path: Path) -> Made:
    """A single frame."""
    return write_clip(path, ticks=(0,), matrix=_BT709)


def no_frames(path: Path) -> Made:
    """A video track without a single frame, beside a sound track."""
    return write_clip(path, ticks=(), sounds=(Sound(),))


def sound_only(path: Path) -> Path:
    """A WAV file of 0.1 s."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return path


def truncated(path: Path, keep: float = 0.6) -> Made:
    """Complete header, but the data end after `keep` of the file."""
    mux = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    made = write_clip(path, ticks=tuple(range(40)), options={"g": "10"}, mux=mux, matrix=_BT709)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return made


def without_index(path: Path) -> Path:
    """An MP4 cut before its index."""
    plain(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def damaged(path: Path) -> Made:
    """H.264 of which one packet in the middle is noise."""
    made = plain(path)
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    at, size = places[len(places) // 2]
    data[at : at + size] = bytes([255]) * size
    path.write_bytes(bytes(data))
    return made


def _frame(
    index: int, width: int, height: int, pix_fmt: str, matrix: int | None, full: bool
) -> av.VideoFrame:
    rgb = av.VideoFrame.from_ndarray(picture(index, width, height), "rgb24")
    if not pix_fmt.startswith("yuv"):
        return rgb.reformat(format=pix_fmt)
    assumed = _BT709 if width >= 1280 or height >= 720 else _BT601
    # swscale's own numbers, which are AVColorSpace's but for BT.601
    target = {_BT601: 5}.get(matrix or assumed, matrix or assumed)
    frame = rgb.reformat(
        format=pix_fmt,
        dst_colorspace=target,
        dst_color_range=_FULL if full else _LIMITED,
        interpolation="BICUBIC",
    )
    if matrix is None:
        frame.colorspace, frame.color_range = 2, 0
    return frame
