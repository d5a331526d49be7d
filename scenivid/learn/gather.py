"""What is learnt from: pictures of the look, and photographs or frames that are painted; some held out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import scenivid
from scenivid.errors import DataError, InputError
from scenivid.pixels import to_float
from scenivid.training.data.images import Entry, decode, scan
from scenivid.training.run.log import save_png
from scenivid.video.open import open_video

MOST_PICTURES = 500
_OPEN_PHOTOS = Path("data/open/photos")
"""Where train/prepare_open_data.py puts them."""
_MOST_FRAMES = 48
_MOST_PHOTOS = 200
"""More are decoded in minutes and add little in a quarter of an hour."""
_HELD = 6
"""Most photographs that are held out."""
_FEW = 4
"""Pictures from which some can be held out."""
_SHORT_SIDE = 540
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that is looked at."""

    pictures: tuple[Path, ...]
    """To learn from."""
    held_pictures: tuple[Path, ...]
    """For figures only; the same as `pictures` where there are too few."""
    photos: tuple[Entry, ...]
    """To paint in training."""
    held_photos: tuple[Entry, ...]
    """For figures only."""
    clip: Path | None
    """A video on which flicker can be measured."""
    told: str
    """Where the photographs come from, for the card."""
    notes: tuple[str, ...]

    @property
    def held_out(self) -> bool:
        """Whether the figures come from pictures that weren't learnt from."""
        return self.held_pictures != self.pictures


def gather(given: Sequence[Path], photos: Path | None, folder: Path) -> Material:
    """Find pictures and photographs.

    Args:
        given: pictures, and folders of pictures.
        photos: a folder of photographs, or a video; None takes what is at hand, and says so.
        folder: where frames of a video are kept.

    Raises:
        DataError: nothing usable.
    """
    notes: list[str] = []
    pictures = _pictures(given)
    if len(pictures) > MOST_PICTURES:
        notes.append(f"the first {MOST_PICTURES} of {len(pictures)} pictures are used")
        pictures = pictures[:MOST_PICTURES]
    held = pictures[1::5] if len(pictures) >= _FEW else []
    learnt = [path for path in pictures if path not in held]
    if not held:
        notes.append("too few pictures to hold one out: figures are on those that were learnt from")
    content, clip, told = _content(photos, folder, notes)
    content = content[:: -(-len(content) // _MOST_PHOTOS) or 1]
    every = max(2, len(content) // _HELD)
    held_photos = content[every // 2 :: every][:_HELD]
    left = [entry for entry in content if entry not in held_photos] or content
    own = [Entry(path, path.name) for path in learnt]
    if photos is None and len(left) < 2 * _MOST_FRAMES + 1:
        left = left + own
    return Material(
        tuple(learnt),
        tuple(held or learnt),
        tuple(left),
        tuple(held_photos or own[:_HELD]),
        clip,
        told,
        tuple(notes),
    )


def picture(entry: Entry, short: int = _SHORT_SIDE, multiple: int = 16) -> Tensor:
    """A picture at the painting size, sides cut to a multiple, [1, 3, H, W] in [0, 1].

    Raises:
        DataError: it can't be decoded.
    """
    image = to_float(torch.from_numpy(np.array(decode(entry))).permute(2, 0, 1)[None])
    scale = short / min(image.shape[-2:])
    if scale < 1:
        size = [max(multiple, round(side * scale)) for side in image.shape[-2:]]
        image = F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    height, width = (max(multiple, side // multiple * multiple) for side in image.shape[-2:])
    return F.interpolate(image, (height, width), mode="area") if min(image.shape[-2:]) < multiple else (
        image[..., :height, :width]
    )  # fmt: skip


def _pictures(given: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            found += [entry.path for entry in scan(path) if entry.offset is None]
        elif not path.is_file():
            raise DataError(f"{path}: no such picture")
        else:
            decode(Entry(path, path.name))
            found.append(path)
    if not found:
        raise DataError("no pictures to learn from")
    return list(dict.fromkeys(path.resolve() for path in found))


def _content(photos: Path | None, folder: Path, notes: list[str]) -> tuple[list[Entry], Path | None, str]:
    if photos is not None and photos.is_dir():
        return list(scan(photos)), None, f"photographs of {photos.name}"
    if photos is not None:
        if not photos.is_file():
            raise DataError(f"{photos}: no such folder or video; --photos takes photographs or a clip")
        return _frames(photos, folder), photos, f"frames of {photos.name}"
    if _OPEN_PHOTOS.is_dir():
        return list(scan(_OPEN_PHOTOS)), _example(), "the open photographs"
    clip = _example()
    if clip is None:
        notes.append("no photographs: the pictures themselves are painted; --photos (a folder, a clip) helps")
        return [], None, "the pictures themselves"
    notes.append(
        "no photographs: frames of the example clip and the pictures themselves are painted; "
        "--photos (a folder, or your own clip) helps"
    )
    return _frames(clip, folder), clip, "frames of the example clip and the pictures themselves"


def _example() -> Path | None:
    path = Path(scenivid.__file__).resolve().parents[1] / "examples" / "clip.mp4"
    return path if path.is_file() else None


def _frames(clip: Path, folder: Path) -> list[Entry]:
    """Some frames of a video, evenly, as pictures in `folder`."""
    try:
        with open_video(clip) as reader:
            every = max(1, (reader.info.frames or 240) // _MOST_FRAMES)
            number = 0
            for part in reader.clips(8):
                for pixels in part.pixels:
                    path = folder / f"{number:06d}.png"
                    if number % every == 0 and not path.is_file() and number < every * 2 * _MOST_FRAMES:
                        save_png(_shrunk(to_float(pixels[None]))[0], path)
                    number += 1
    except InputError as exc:
        raise DataError(f"--photos takes a folder of photographs or a video: {exc}") from exc
    return list(scan(folder, 32))


def _shrunk(image: Tensor) -> Tensor:
    scale = _SHORT_SIDE / min(image.shape[-2:])
    if scale >= 1:
        return image
    size = [round(side * scale) for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="area")
