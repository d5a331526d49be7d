"""Opening a media file with PyAV: that file and no other, its picture, and clear errors."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.machine.aside import address

DEMUXERS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,av1,obu,ivf,vc1,dirac,h261,"
    "h263,avs2,avs3,cavsvideo,asf,flv,live_flv,ogg,nut,mxf,gxf,dv,rm,rl2,wtv,nsv,pva,ty,"
    "lxf,nuv,yuv4mpegpipe,dnxhd,apv,evc,ipu,gif,apng,webp_anim,jpegxl_anim,mjpeg,mjpeg_2000,"
    "mpjpeg,cine,ser,fits,4xm,bink,smk,roq,flic,film_cpk,ea,png_pipe,jpeg_pipe,webp_pipe,"
    "tiff_pipe,bmp_pipe,j2k_pipe,jpegxl_pipe,exr_pipe,dpx_pipe,psd_pipe,qoi_pipe,pam_pipe,"
    "pbm_pipe,pgm_pipe,ppm_pipe,sgi_pipe,hdr_pipe,ico,wav,w64,mp3,flac,aac,ac3,eac3,aiff,"
    "caf,au,dts,tta,wv,ape,amr"
)
"""Containers that hold their own media. Absent is whatever names other files or addresses (playlists,
scripts, captures, numbered pictures): it could pull a stranger's data into the video, or never end."""

PATIENCE = 10.0
"""Seconds until somebody must have begun to write into a pipe."""


def open_container(
    path: Path,
    pipe: IO[bytes] | None = None,
    max_pixels: int | None = None,
    pictures_rate: Fraction | None = None,
    known: bool = False,
) -> InputContainer:
    """Open `path` for reading: the file of exactly this name, and nothing that it refers to.

    Args:
        path: a file.
        pipe: read instead, where `path` is a pipe; not closed with the container.
        max_pixels: larger pictures are not decoded to learn what they are.
        pictures_rate: frames a second of pictures one after the other, which carry no times.
        known: what its pictures look like has been found out, or will be from the first; see `undecoded`.

    Raises:
        InputError: missing, not permitted, or no container that holds its own media.
    """
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    if pictures_rate is not None:
        options["framerate"] = f"{pictures_rate.numerator}/{pictures_rate.denominator}"
    limits = {} if max_pixels is None else decoder_limits(max_pixels)
    if known and pipe is None:
        limits |= undecoded(path)
    try:
        return av.open(
            pipe or address(path),
            "r",
            options=limits,
            container_options=options,
            metadata_errors="replace",
        )
    except FileNotFoundError as exc:
        raise InputError(f"{path}: no such file") from exc
    except PermissionError as exc:
        raise InputError(f"{path}: no permission to read it") from exc
    except (av.FFmpegError, OSError, ValueError) as exc:
        raise InputError(f"{path}: {_why_not_opened(path)}") from exc


@contextlib.contextmanager
def open_pipe(path: Path) -> Iterator[IO[bytes]]:
    """The pipe `path`, once somebody writes into it.

    Raises:
        InputError: not permitted, or nobody does.
    """
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else it waits for a writer, maybe for ever
    except OSError as exc:
        raise InputError(f"{path}: can't be read ({exc.strerror})") from exc
    with os.fdopen(descriptor, "rb") as pipe:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            raise InputError(f"{path}: a pipe into which nobody has written for {PATIENCE:g} s")
        os.set_blocking(descriptor, True)
        yield pipe


def is_pipe(path: Path) -> bool:
    """Whether `path` can be read only once, from its beginning: a FIFO, or `-` for the standard input."""
    return str(path) == "-" or path.is_fifo() or path.is_char_device()


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream FFmpeg considers best, cover art left aside.

    Raises:
        InputError: there is none.
    """
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    real = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not real:
        others = sorted({stream.type for stream in container.streams})
        held = f"only {', '.join(others)}" if others else "nothing"
        raise InputError(f"{path}: no video stream in it ({held})")
    best = container.streams.best("video")
    stream = next((stream for stream in real if best is not None and stream.index == best.index), real[0])
    if stream.codec_context is None:
        raise InputError(f"{path}: its video codec is unknown to this build of FFmpeg")
    return stream


def check_size(stream: VideoStream, path: Path, max_pixels: int) -> None:
    """Refuse a picture that is too large, by what the header says, and keep the decoder from making one.

    Raises:
        InputError: more than `max_pixels`, or no size at all.
    """
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > max_pixels:
        raise too_large(path, width, height, max_pixels)
    stream.codec_context.options = decoder_options(stream, max_pixels)


def decoder_limits(max_pixels: int) -> dict[str, str]:
    """Options that keep FFmpeg from making much larger pictures than asked for; it counts rows padded."""
    return {"max_pixels": str(min(2**31 - 1, 2 * max_pixels + 2**16))}


def decoder_options(stream: VideoStream, max_pixels: int) -> dict[str, str]:
    """`decoder_limits`, and that chroma lies on even columns where no tag says it, as players have it.

    swscale would take it to lie between two. Where the file only may say it, which the option would overrule
    (Y4M), or another habit rules (WebP), nothing is said; decoders that know better overrule the option.
    """
    options = decoder_limits(max_pixels)
    if stream.codec_context.name not in ("rawvideo", "webp"):
        options["chroma_sample_location"] = "left"
    return options


def undecoded(path: Path) -> dict[str, str]:
    """Options with which FFmpeg decodes no picture of an MP4 on opening it, and gives the same packets.

    One takes a sixteenth of a second at 3840×2160. None for other files.
    """
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(8)[4:] == b"ftyp":
            return {"skip_frame": "all"}
    return {}


def too_large(path: Path, width: int, height: int, max_pixels: int) -> InputError:
    """The error for a picture beyond the limit."""
    return InputError(
        f"{path}: a picture of {width}x{height} has {width * height / 1e6:.0f} million pixels, more than the"
        f" {max_pixels / 1e6:g} million allowed; raise --max-pixels if it is meant"
    )


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """What decodes `stream`: for VP8 and VP9 with transparency, which FFmpeg's own decoders drop, libvpx."""
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return stream.codec_context
    context = av.CodecContext.create(name, "r")
    assert isinstance(context, VideoCodecContext)
    context.options = stream.codec_context.options
    return context


def _why_not_opened(path: Path) -> str:
    if is_pipe(path):
        return "no video that can be read from a pipe came out of it"
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except FileNotFoundError:
        return "no such file" + ("; of numbered frames, give the folder" if "%" in path.name else "")
    except OSError as exc:
        return str(exc.strerror)
    if not head:
        return "an empty file"
    if head.startswith((b"ffconcat", b"#EXTM3U", b"<?xml", b"<MPD")):
        return "a playlist: it only names other files; give the video itself"
    if head[4:8] == b"ftyp":
        return (
            "an incomplete MP4: its index ('moov') is missing or damaged, as in a cut download or recording"
        )
    return "not a video file, or one too damaged to be recognised"
