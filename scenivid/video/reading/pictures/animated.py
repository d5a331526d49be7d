"""Moving WebP pictures, which FFmpeg doesn't decode: read by Pillow."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from scenivid.errors import InputError
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip
from scenivid.video.color import over_black
from scenivid.video.container import too_large
from scenivid.video.headers import webp
from scenivid.video.headers.plays import plays_of
from scenivid.video.info import ColorInfo, VideoInfo
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.reader import ThreadedReader
from scenivid.video.reading.settings import ReadSettings

_MILLISECOND = Fraction(1, 1000)


def is_moving_webp(path: Path) -> bool:
    """Whether `path` is a WebP of more than one frame, by its header."""
    if not path.is_file():  # a pipe can be read only once
        return False
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & 2)


def describe_webp(path: Path, how: ReadSettings) -> tuple[VideoInfo, tuple[int, ...]]:
    """What the file says, and how long each frame is shown, in milliseconds.

    Raises:
        InputError: it is damaged or too large.
    """
    head = path.read_bytes()
    width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    if width * height > how.max_pixels:
        raise too_large(path, width, height, how.max_pixels)
    lengths = _lengths(head)
    if not lengths:
        raise InputError(f"{path}: not an image that can be read (damaged or empty)")
    total = sum(lengths) * _MILLISECOND
    info = VideoInfo(
        path=path,
        width=width,
        height=height,
        rotation=0,
        sample_aspect=Fraction(1),
        rate_hz=(len(lengths) / total).limit_denominator(1001),
        frames=len(lengths),
        duration=total,
        start=Fraction(0),
        time_base=_MILLISECOND,
        bit_depth=8,
        chroma="rgb",
        codec="webp",
        container="webp",
        stream_index=0,
        color=ColorInfo("gbr", True, "bt709", "iec61966-2-1", True),
        audio=(),
        subtitles=0,
        alpha=bool(head[20] & 16),
        plays=plays_of(path),
    )
    return info, lengths


def webp_reader(
    path: Path, start: Fraction | None, duration: Fraction | None, how: ReadSettings
) -> ThreadedReader:
    """Read the frames of `path` that begin in [start, start + duration).

    Raises:
        InputError: damaged, too large, or no frame begins there.
    """
    info, lengths = describe_webp(path, how)
    times = [time * _MILLISECOND for time in itertools.accumulate(lengths[:-1], initial=0)]
    begin = start or Fraction(0)
    end = None if duration is None else begin + duration
    wanted = [index for index, time in enumerate(times) if time >= begin and (end is None or time < end)]
    if not wanted:
        raise InputError(f"{path}: no frame begins in the part asked for (start {float(begin):.3f} s)")

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        held: list[npt.NDArray[np.uint8]] = []
        first = wanted[0]
        try:
            with Image.open(path) as image:
                for index in wanted:
                    image.seek(index)
                    held.append(np.asarray(image.convert("RGBA")))
                    if len(held) == batch:
                        yield _clip(held, first, info, times, lengths)
                        held, first = [], index + 1
        except (EOFError, OSError, ValueError, SyntaxError, UnidentifiedImageError) as exc:
            lost = wanted[-1] + 1 - first - len(held)
            text = f"frame {first + len(held) + 1} of {len(lengths)} can't be decoded"
            if how.on_error == "stop":
                raise InputError(f"{path}: damaged: {text}; pass over it with --on-error skip") from exc
            findings.damage(text, lost)
        if held:
            yield _clip(held, first, info, times, lengths)

    return ThreadedReader(info, "pillow", len(wanted), produce, strict=how.strict)


def _clip(
    held: list[npt.NDArray[np.uint8]],
    first: int,
    info: VideoInfo,
    times: list[Fraction],
    lengths: tuple[int, ...],
) -> Clip:
    pictures = np.stack(held).transpose(0, 3, 1, 2)
    colour, opacity = pictures[:, :3], pictures[:, 3:]
    if info.alpha:
        colour = np.where(opacity == 0, 0, colour).astype(np.uint8)
    else:
        colour = over_black(colour, opacity)
    span = range(first, first + len(held))
    return Clip(
        torch.from_numpy(np.ascontiguousarray(colour)),
        tuple(times[index] for index in span),
        tuple(lengths[index] * _MILLISECOND for index in span),
        torch.from_numpy(np.ascontiguousarray(opacity)) if info.alpha else None,
    )


def _lengths(data: bytes) -> tuple[int, ...]:
    """Milliseconds of each frame (players show what says 0 for 100)."""
    return tuple(
        int.from_bytes(body[12:15], "little") or 100 for name, body in webp.chunks(data) if name == b"ANMF"
    )
