"""Frame folders: a directory of still images read as a video of 24 frames a second."""

from __future__ import annotations

import re
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from scenivid.errors import InputError
from scenivid.frames import Clip
from scenivid.video.info import ColorInfo, VideoInfo
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.reader import ThreadedReader

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""Suffixes taken for frames, lower case."""

RATE_HZ = Fraction(24)
"""Frame rate of a folder, which carries none itself."""


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key under which frame2.png comes before frame10.png."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts if part)


def frame_paths(folder: Path) -> list[Path]:
    """Images in `folder` (or the one image that it names), in natural order.

    Raises:
        InputError: it can't be read or holds no image.
    """
    if folder.is_file():
        return [folder]
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    except PermissionError as exc:
        raise InputError(f"{folder}: no permission to read it") from exc
    found = [path for path in found if not path.name.startswith(".")]
    if not found:
        raise InputError(f"{folder}: no frames in it (looked for {', '.join(SUFFIXES)})")
    return sorted(found, key=lambda path: (natural_key(path.name), path.name))


def describe_frames(folder: Path) -> VideoInfo:
    """What the folder's first frame says; pts are i/24 s.

    Raises:
        InputError: no frames, or the first can't be read.
    """
    paths = frame_paths(folder)
    first = read_image(paths[0])
    height, width = first.shape[:2]
    return VideoInfo(
        path=folder,
        width=width,
        height=height,
        rotation=0,
        sample_aspect=Fraction(1),
        rate_hz=RATE_HZ,
        frames=len(paths),
        duration=len(paths) / RATE_HZ,
        start=Fraction(0),
        time_base=1 / RATE_HZ,
        bit_depth=16 if first.dtype == np.uint16 else 8,
        chroma="rgb",
        codec=paths[0].suffix.lower().lstrip("."),
        container="frames",
        stream_index=0,
        color=ColorInfo(
            matrix="gbr", full_range=True, primaries="bt709", transfer="iec61966-2-1", tagged=True
        ),
        audio=(),
        subtitles=0,
        names=tuple(path.name for path in paths),
    )


def images_reader(info: VideoInfo, window: range) -> ThreadedReader:
    """Read the frames `window` of the folder (or single image) `info.path`."""
    folder = info.path if info.path.is_dir() else info.path.parent

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        for begin in range(window.start, window.stop, batch):
            indices = range(begin, min(begin + batch, window.stop))
            frames = [_checked(folder / info.names[index], info) for index in indices]
            pixels = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
            pts = tuple(index / info.rate_hz for index in indices)
            yield Clip(pixels, pts, (1 / info.rate_hz,) * len(pts))

    return ThreadedReader(info, "images", len(window), produce)


def is_animated(path: Path) -> bool:
    """Whether a PNG or WebP file is a moving picture, which is a video and no frame."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and bool(head[20] & 2)
    return head[:4] == b"\x89PNG" and b"acTL" in head


def read_image(path: Path) -> npt.NDArray[Any]:
    """One still as RGB [H, W, 3], uint8 or uint16; grey is repeated, alpha composited over black.

    Raises:
        InputError: missing, not permitted, or not an image.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError as exc:
        raise InputError(f"{path}: no such file") from exc
    except PermissionError as exc:
        raise InputError(f"{path}: no permission to read it") from exc
    image = _decode(data, path) if data.size else None
    if image is None:
        raise InputError(f"{path}: not an image that can be read (damaged or empty)")
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: {image.dtype} samples; 8 and 16 bits are supported")
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    elif image.shape[2] == 4:
        white = int(np.iinfo(image.dtype).max)
        product = image[..., 2::-1].astype(np.uint32) * image[..., 3:]
        image = ((product + white // 2) // white).astype(image.dtype)
    else:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(image)


def _decode(data: npt.NDArray[np.uint8], path: Path) -> npt.NDArray[Any] | None:
    if data[:4].tobytes() == b"\x89PNG" and b"IEND" not in data[-4096:].tobytes():
        return None  # libpng would complain on stderr
    # Only with a colour flag does OpenCV turn a photograph as its EXIF data say; JPEG has no alpha to lose.
    photograph = path.suffix.lower() in (".jpg", ".jpeg")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH if photograph else cv2.IMREAD_UNCHANGED
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # what it would print is told by our error
    try:
        image: npt.NDArray[Any] | None = cv2.imdecode(data, flags)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    return image


def _checked(path: Path, info: VideoInfo) -> npt.NDArray[Any]:
    image = read_image(path)
    height, width = image.shape[:2]
    if (width, height) != (info.width, info.height):
        raise InputError(
            f"{path}: {width}x{height}, while {info.names[0]} is {info.width}x{info.height};"
            " all frames of a folder must have one size"
        )
    if (image.dtype == np.uint16) != (info.bit_depth > 8):
        raise InputError(
            f"{path}: {image.dtype} samples, while {info.names[0]} has {info.bit_depth} bits;"
            " all frames of a folder must have one depth"
        )
    return image
