"""Kinds of files that people have and PyAV can't make: by the binary of imageio-ffmpeg, or byte by byte."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import av
import ffmpeg as graph
import imageio_ffmpeg
import numpy as np
import pytest

SCENE = ("-f", "lavfi", "-i", "testsrc2=s=112x64:r=25:d=1.2")
"""Thirty frames."""
H264 = (
    *("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "12"),
    *("-x264-params", "b-adapt=0:scenecut=0"),
)


@lru_cache
def encoders() -> str:
    """What this build of ffmpeg can encode with."""
    return ffmpeg("-hide_banner", "-encoders")


def ffmpeg(*words: str) -> str:
    """Run it; returns what it prints."""
    done = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-v", "error", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def encoded(path: Path, *words: str, scene: tuple[str, ...] = SCENE) -> Path:
    """The scene, encoded by `words`; skips the test where the encoder is missing."""
    for before, name in pairwise(words):
        if before == "-c:v" and f" {name} " not in encoders():
            pytest.skip(f"this ffmpeg has no {name}")
    ffmpeg(*scene, *words, str(path))
    return path


def shown_by_ffmpeg(path: Path, stream: int = 0) -> list[float]:
    """Seconds from the first frame to each, as ffmpeg shows them."""
    shown = graph.input(f"file:{path}").output(
        "-", map=f"0:{stream}", fps_mode="passthrough", enc_time_base="1:90000", format="framecrc"
    )
    text = graph.run(shown, cmd=imageio_ffmpeg.get_ffmpeg_exe(), capture_stdout=True, quiet=True)[0].decode()
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    ticks = [int(row[2]) for row in rows]
    return [(tick - ticks[0]) / 90000 for tick in ticks]


def wmv(path: Path) -> Path:
    """Decoding times stored as presentation times though there are B-frames, as in WMV and VC-1 files."""
    return encoded(path, *H264, "-f", "asf")


def avi(path: Path) -> Path:
    """The same, in AVI."""
    return encoded(path, *H264, "-f", "avi")


def divx(path: Path) -> Path:
    """MPEG-4 with B-frames in AVI."""
    return encoded(path, "-c:v", "mpeg4", "-bf", "2", "-g", "12")


def xvid_packed(path: Path, frames: int = 20) -> Path:
    """XviD with packed B-frames."""
    return encoded(path, "-frames:v", str(frames), "-c:v", "libxvid", "-bf", "2", "-q:v", "6")


def flv_without_offsets(path: Path) -> Path:
    """H.264 in FLV whose composition offsets were all written as zero."""
    encoded(path, *H264)
    data = bytearray(path.read_bytes())
    at = 13
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        if data[at] == 9 and data[at + 12] == 1:
            data[at + 13 : at + 16] = bytes(3)
        at += 11 + size + 4
    path.write_bytes(bytes(data))
    return path


def without_its_beginning(path: Path, codec: str, parameters: tuple[str, ...] = ()) -> Path:
    """A transport stream cut at its second key frame, whose leading pictures are still there."""
    scene = (*SCENE[:3], "testsrc2=s=112x64:r=25:d=2.8") if codec == "libvvenc" else SCENE
    whole = encoded(path.with_name("whole.ts"), "-c:v", codec, *parameters, scene=scene)
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        keys = 0
        for packet in source.demux(video=0):
            keys += packet.is_keyframe and packet.size > 0
            if keys > 1 and packet.size:
                packet.stream = stream
                target.mux(packet)
    return path


def hevc_radl(path: Path) -> Path:
    """HEVC whose leading pictures can be decoded."""
    return without_its_beginning(
        path, "libx265", ("-x265-params", "log-level=none:keyint=12:radl=2:open-gop=0")
    )


def hevc_rasl(path: Path) -> Path:
    """HEVC whose leading pictures can't."""
    return without_its_beginning(path, "libx265", ("-x265-params", "log-level=none:keyint=12:open-gop=1"))


def vvc(path: Path) -> Path:
    """VVC cut in the middle."""
    return without_its_beginning(path, "libvvenc", ("-preset", "faster", "-g", "32", "-qp", "40"))


def h264_open(path: Path) -> Path:
    """H.264 cut at the key frame of an open group."""
    parameters = (
        *("-preset", "ultrafast", "-bf", "2", "-g", "12", "-x264-params", "open-gop=1:b-adapt=0:scenecut=0"),
    )
    return without_its_beginning(path, "libx264", parameters)


def joined(path: Path, sound: bool = True) -> Path:
    """Two transport streams end to end: the clock starts again."""
    tone = ("-f", "lavfi", "-i", "sine=d=1.2", "-c:a", "aac", "-b:a", "32k") if sound else ()
    part = path.with_name("part.ts")
    ffmpeg(*SCENE, *tone[:4], *H264, *tone[4:], str(part))
    path.write_bytes(part.read_bytes() * 2)
    return path


def wrapped(path: Path, offset: float = 95442.1) -> Path:
    """Times that pass the end of their 33 bits."""
    return encoded(path, *H264, "-output_ts_offset", str(offset), "-f", "mpegts")


def interlaced(path: Path, codec: str = "libx264") -> Path:
    """Fields of two moments woven into frames, and flagged."""
    scene = ("-f", "lavfi", "-i", "testsrc2=s=112x64:r=50:d=1,tinterlace=4:flags=vlpf")
    flags = ("-flags", "+ildct+ilme", "-field_order", "tt")
    return encoded(
        path,
        "-c:v",
        codec,
        "-q:v",
        "4",
        *flags,
        *(("-x264-params", "tff=1") if "264" in codec else ()),
        scene=scene,
    )


def telecined(path: Path) -> Path:
    """Film on video: 3:2 pulldown."""
    scene = ("-f", "lavfi", "-i", "testsrc2=s=112x64:r=24000/1001:d=2,telecine=first_field=top")
    return encoded(path, "-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme", scene=scene)


def field_pairs(path: Path, frames: int = 6) -> Path:
    """PAFF: H.264 in which two packets, one a field, make one frame. Grey frames of 16x32, all I_PCM."""
    stream = path.with_suffix(".h264")
    stream.write_bytes(b"".join(_unit(kind, bits) for kind, bits in _paff(frames)))
    ffmpeg("-fflags", "+genpts", "-r", "25", "-i", str(stream), "-c", "copy", str(path))
    return path


def _paff(frames: int) -> list[tuple[int, str]]:
    # Main profile, level 1; picture order by type 0; 1 x 1 map units; fields allowed; no cropping, no VUI.
    parameters = _bits(77, 8) + _bits(0, 8) + _bits(10, 8) + _ue(0) + _ue(0) + _ue(0) + _ue(0) + _ue(1) + "0"
    parameters += _ue(0) + _ue(0) + "0" + "0" + "1" + "0" + "0"
    picture = (
        _ue(0) + _ue(0) + "0" + "0" + _ue(0) + _ue(0) + _ue(0) + "0" + "00" + _ue(0) + _ue(0) + _ue(0) + "000"
    )
    units = [(0x67, parameters), (0x68, picture)]
    for number in range(frames):
        for bottom in (0, 1):
            # first_mb, I slice, pps, frame_num, field_pic, bottom; idr_pic_id, poc lsb, marking, qp delta
            slice_ = _ue(0) + _ue(7) + _ue(0) + _bits(0, 4) + "1" + str(bottom)
            idr = not bottom
            slice_ += (_ue(number % 2) if idr else "") + _bits(bottom, 4) + ("00" if idr else "0") + _ue(0)
            slice_ += _ue(25)  # I_PCM
            slice_ += "0" * (-(len(slice_)) % 8)
            slice_ += _bits(40 + 20 * number, 8) * 256 + _bits(128, 8) * 128
            units.append((0x65 if idr else 0x61, slice_))
    return units


def _unit(kind: int, bits: str) -> bytes:
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    safe = bytearray()
    zeros = 0
    for byte in data:
        if zeros >= 2 and byte <= 3:
            safe.append(3)
            zeros = 0
        safe.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([kind]) + bytes(safe)


def _bits(value: int, width: int) -> str:
    return format(value, f"0{width}b")


def _ue(value: int) -> str:
    text = format(value + 1, "b")
    return "0" * (len(text) - 1) + text


def transparent(path: Path, *words: str) -> Path:
    """A disc on a transparent ground whose hidden colour is bright red."""
    frames = []
    for index in range(4):
        image = np.zeros((32, 48, 4), np.uint8)
        image[..., 0] = 255
        image[8:24, 8 + 4 * index : 24 + 4 * index] = (0, 200, 100, 255)
        frames.append(image)
    raw = path.with_suffix(".raw")
    raw.write_bytes(b"".join(frame.tobytes() for frame in frames))
    scene = ("-f", "rawvideo", "-pix_fmt", "rgba", "-s", "48x32", "-r", "10", "-i", str(raw))
    return encoded(path, *words, scene=scene)


Maker = Callable[[Path], Path]
TIMES: dict[str, Maker] = {
    "wmv.wmv": wmv,
    "h264.avi": avi,
    "divx.avi": divx,
    "xvid_packed.avi": xvid_packed,
    "no_offsets.flv": flv_without_offsets,
    "mpeg2.mpg": lambda path: encoded(path, "-c:v", "mpeg2video", "-bf", "2", "-g", "12"),
    "mpeg2.ts": lambda path: encoded(path, "-c:v", "mpeg2video", "-bf", "2", "-g", "12"),
    "mpeg4.mkv": lambda path: encoded(path, "-c:v", "mpeg4", "-bf", "2"),
    "theora.ogv": lambda path: encoded(path, "-c:v", "libtheora"),
    "hidden.webm": lambda path: encoded(path, "-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "10"),
    "fields.ts": field_pairs,
    "fields.mkv": field_pairs,
    "radl.ts": hevc_radl,
    "rasl.ts": hevc_rasl,
    "vvc.ts": lambda path: encoded(path, "-c:v", "libvvenc", "-preset", "faster", "-qp", "40"),
    "cut_vvc.ts": vvc,
    "cut_h264.ts": h264_open,
    "joined.ts": joined,
    "joined_silent.ts": lambda path: joined(path, sound=False),
    "wrapped.ts": wrapped,
    "wrapped_at_once.ts": lambda path: wrapped(path, 95443.0),
    "interlaced.mp4": interlaced,
    "interlaced.mpg": lambda path: interlaced(path, "mpeg2video"),
    "telecined.mpg": telecined,
}
"""Kinds whose times are hard to tell."""


def with_sound(path: Path, codec: str, *words: str) -> Path:
    """The scene with a tone in this codec."""
    tone = ("-f", "lavfi", "-i", "sine=440:r=44100:d=1.2")
    return encoded(path, *H264, "-c:a", codec, "-strict", "-2", *words, scene=(*SCENE, *tone))


def with_timecode(path: Path) -> Path:
    """A timecode track, as cameras and editors write it."""
    return with_sound(path, "pcm_s16le", "-timecode", "10:00:00:00")


def with_cover(path: Path) -> Path:
    """A cover beside the picture, as music players show it."""
    picture = path.with_name("cover.png")
    ffmpeg("-f", "lavfi", "-i", "color=red:s=16x16", "-frames:v", "1", str(picture))
    plain = with_sound(path.with_name(f"plain{path.suffix}"), "aac")
    words = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
    ffmpeg("-i", str(plain), "-i", str(picture), *words, str(path))
    return path


def with_lines(path: Path, codec: str) -> Path:
    """Two subtitles in this codec."""
    text = path.with_name("lines.srt")
    text.write_text("1\n00:00:00,100 --> 00:00:00,400\nOne\n\n2\n00:00:00,600 --> 00:00:01,000\nTwo\n")
    plain = encoded(path.with_name(f"plain{path.suffix}"), *H264)
    ffmpeg(
        "-i", str(plain), "-i", str(text), "-map", "0", "-map", "1", "-c:v", "copy", "-c:s", codec, str(path)
    )
    return path
