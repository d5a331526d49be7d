"""Frame folders: a directory of still images read as a video of 24 frames a second, or as many as asked."""

from __future__ import annotations

import io
import itertools
import re
import warnings
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from scenivid.errors import InputError
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip
from scenivid.video.color import over_black
from scenivid.video.container import too_large
from scenivid.video.info import ColorInfo, VideoInfo
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.reader import ThreadedReader
from scenivid.video.reading.settings import MAX_PIXELS, ReadSettings

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
"""Suffixes taken for frames, lower case."""

_PHOTOGRAPHS = (".jpg", ".jpeg")
_ORIENTATION = 0x0112
"""Which way up a camera was held; 5 to 8 stand on a side."""

RATE_HZ = Fraction(24)
"""Frame rate of a folder, which carries none itself."""


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key under which frame2.png comes before frame10.png."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part)


def frame_paths(folder: Path) -> list[Path]:
    """Images in `folder` (or the one image that it names), in natural order.

    Raises:
        InputError: it can't be read or holds no image.
    """
    if folder.is_file():
        return [folder]
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    except FileNotFoundError as exc:
        raise InputError(f"{folder}: no such folder") from exc
    except PermissionError as exc:
        raise InputError(f"{folder}: no permission to read it") from exc
    found = [path for path in found if not path.name.startswith(".")]
    if not found:
        raise InputError(f"{folder}: no frames in it (looked for {', '.join(SUFFIXES)})")
    return sorted(found, key=lambda path: (natural_key(path.name), path.name))


def describe_frames(folder: Path, how: ReadSettings) -> VideoInfo:
    """What the folder's first frame says; pts are i/rate s.

    Raises:
        InputError: no frames, or the first can't be read or is too large.
    """
    paths = frame_paths(folder)
    first = read_picture(paths[0], how.max_pixels)
    height, width = first.shape[:2]
    rate = how.rate_hz or RATE_HZ
    return VideoInfo(
        path=folder,
        width=width,
        height=height,
        rotation=0,
        sample_aspect=Fraction(1),
        rate_hz=rate,
        frames=len(paths),
        duration=len(paths) / rate,
        start=Fraction(0),
        time_base=1 / rate,
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
        alpha=first.shape[2] == 4,
        names=tuple(path.name for path in paths),
    )


def images_reader(info: VideoInfo, window: range, how: ReadSettings) -> ThreadedReader:
    """Read the frames `window` of the folder (or single image) `info.path`."""
    folder = info.path if info.path.is_dir() else info.path.parent
    known = Findings(info.path, how.strict)
    absent = missing_numbers([info.names[index] for index in window])
    if absent:
        known.note(absent)

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        held: list[tuple[int, npt.NDArray[Any]]] = []
        for index in window:
            try:
                held.append((index, _checked(folder / info.names[index], info, how.max_pixels)))
            except InputError as exc:
                if how.on_error == "stop":
                    raise
                findings.damage(str(exc), 1)
            if len(held) == batch:
                yield _clip(held, info)
                held = []
        if held:
            yield _clip(held, info)

    return ThreadedReader(info, "images", len(window), produce, known, how.strict, seeks=True)


def missing_numbers(names: Sequence[str]) -> str:
    """A sentence about gaps in the numbers of `names` (in natural order); empty where there are none."""
    numbers = [re.findall(r"\d+", Path(name).stem) for name in names]
    if len(names) < 2 or not all(numbers):
        return ""
    rests = {re.sub(r"\d+(?=\D*$)", "", Path(name).stem) for name in names}
    counted = [int(found[-1]) for found in numbers]
    jumps = [(a + 1, b - 1) for a, b in itertools.pairwise(counted) if b - a > 1]
    if len(rests) > 1 or not jumps or counted[-1] - counted[0] > 4 * len(names):
        return ""  # numbers that don't count frames
    spans = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in jumps[:4]) + (", ..." if jumps[4:] else "")
    total = sum(b - a + 1 for a, b in jumps)
    return f"{total} number{'s' if total > 1 else ''} missing among the names of the frames: {spans}"


def is_animated(path: Path) -> bool:
    """Whether a picture file is a moving picture, which is a video and no frame; its suffix may lie."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    if head[:4] == b"GIF8":
        return True
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8X" and bool(head[20] & 2)
    return head[:4] == b"\x89PNG" and b"acTL" in head


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a still as it is shown, by its header; None where that can't be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as header:
                width, height = header.size
                photograph = path.suffix.lower() in _PHOTOGRAPHS
                turned = photograph and header.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return (height, width) if turned else (width, height)


def read_image(path: Path) -> npt.NDArray[Any]:
    """One still as RGB [H, W, 3], uint8 or uint16; grey is repeated, alpha composited over black.

    Raises:
        InputError: missing, not permitted, or not an image.
    """
    image = read_picture(path)
    if image.shape[2] == 3:
        return image
    planes = [over_black(image[..., index], image[..., 3]) for index in range(3)]
    return np.ascontiguousarray(np.stack(planes, axis=2))


def read_picture(path: Path, max_pixels: int = MAX_PIXELS) -> npt.NDArray[Any]:
    """One still as RGB or RGBA [H, W, 3 or 4], uint8 or uint16; grey is repeated.

    Colour is not multiplied by the opacity, but black where that is 0.

    Raises:
        InputError: missing, not permitted, not an image, or larger than `max_pixels`.
    """
    try:
        _check_size(path, max_pixels)
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
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)
        image[image[..., 3] == 0] = 0
    else:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(image)


def _check_size(path: Path, max_pixels: int) -> None:
    """Refuse a picture that is too large by what its header says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as header:
                width, height = header.size
    except Image.DecompressionBombError as exc:
        found = re.search(r"\((\d+) pixels\)", str(exc))
        width, height = int(found[1]) if found else max_pixels + 1, 1
        if width > max_pixels:
            raise InputError(
                f"{path}: a picture of {width / 1e6:.0f} million pixels, more than the {max_pixels / 1e6:g}"
                " million allowed; raise --max-pixels if it is meant"
            ) from exc
    except (FileNotFoundError, PermissionError):
        raise
    except (OSError, ValueError, SyntaxError):
        return  # not known to Pillow: OpenCV will say whether it is an image
    if width * height > max_pixels:
        raise too_large(path, width, height, max_pixels)


def _clip(held: list[tuple[int, npt.NDArray[Any]]], info: VideoInfo) -> Clip:
    frames = torch.from_numpy(np.stack([image for _, image in held])).permute(0, 3, 1, 2)
    pts = tuple(index / info.rate_hz for index, _ in held)
    return Clip(frames[:, :3], pts, (1 / info.rate_hz,) * len(pts), frames[:, 3:] if info.alpha else None)


def _decode(data: npt.NDArray[np.uint8], path: Path) -> npt.NDArray[Any] | None:
    if data[:4].tobytes() == b"\x89PNG" and b"IEND" not in data[-4096:].tobytes():
        return None  # libpng would complain on stderr
    # Only with a colour flag does OpenCV turn a photograph as its EXIF data say; JPEG has no alpha to lose.
    photograph = path.suffix.lower() in _PHOTOGRAPHS
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
    if image is not None and image.ndim == 3 and image.shape[2] == 4 and image.dtype == np.uint8:
        return _tiff_colour(data, image) if data[:2].tobytes() in (b"II", b"MM") else image
    return image


def _tiff_colour(data: npt.NDArray[np.uint8], image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """BGR or BGRA of a TIFF: libtiff multiplies colour by opacity, and makes up one where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data.tobytes())) as picture:
                if not {"A", "a"} & set(picture.getbands()):
                    return image[..., :3]
                plain = np.asarray(picture.convert("RGBA"))[..., [2, 1, 0, 3]]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return image  # of a kind that Pillow doesn't know
    return plain if plain.shape == image.shape else image


def _checked(path: Path, info: VideoInfo, max_pixels: int) -> npt.NDArray[Any]:
    image = read_picture(path, max_pixels)
    height, width = image.shape[:2]
    if (width, height) != (info.width, info.height):
        raise InputError(
            f"{path}: {width}x{height}, while {info.names[0]} is {info.width}x{info.height};"
            " all frames of a folder must have one size; scenivid batch takes pictures of any"
        )
    if (image.dtype == np.uint16) != (info.bit_depth > 8):
        raise InputError(
            f"{path}: {image.dtype} samples, while {info.names[0]} has {info.bit_depth} bits;"
            " all frames of a folder must have one depth"
        )
    if info.alpha and image.shape[2] == 3:
        opaque = np.full((height, width, 1), np.iinfo(image.dtype).max, image.dtype)
        return np.concatenate([image, opaque], axis=2)
    if not info.alpha and image.shape[2] == 4:
        return np.stack([over_black(image[..., index], image[..., 3]) for index in range(3)], axis=2)
    return image
