"""What a batch finds in a tree: videos, folders of frames, and pictures each for itself."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from scenivid.errors import ConfigError
from scenivid.video.formats import VIDEO_SUFFIXES
from scenivid.video.reading.pictures.images import SUFFIXES as IMAGE_SUFFIXES
from scenivid.video.reading.pictures.images import frame_paths, picture_size

_log = logging.getLogger(__name__)
KINDS = ("auto", "frames", "pictures")
_MOVING = frozenset((".gif", ".apng"))
"""Moving pictures: among stills they make a collection of pictures of these."""
_READ_ONLY = frozenset((".heic", ".heif", ".avif"))
"""Photographs that are never frames, and become PNG."""
_KEPT = frozenset((".mp4", ".mov", ".mkv", ".webm", *_MOVING))
"""Formats that we write as well; a video in any other becomes .mp4, a picture .png."""
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
_LOOKED_AT = 200
"""Pictures of a folder whose sizes are compared, spread over all of it."""
_MOST_GAPS = 4
"""Numbers a frame, on average, above which numbers don't count frames."""


@dataclass(frozen=True)
class Found:
    """One thing to stylize."""

    path: Path
    picture: bool = False
    """Whether it is a picture for itself, which becomes a picture: still or moving."""


def find_sources(source: Path, output: Path, kind: str = "auto") -> list[Found]:
    """Every video, every folder of frames and every picture below `source`, in order.

    Pictures that lie together are frames if their names count up and their sizes are the same, else each is
    for itself. Stills beside videos are passed over, unless pictures are asked for. Hidden files and folders,
    and `output` itself, are passed over too.

    Args:
        source: a folder.
        output: where results go.
        kind: 'frames' or 'pictures' says what pictures are; 'auto' looks.

    Raises:
        ConfigError: no such kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"as must be one of {', '.join(KINDS)}, got {kind!r}")
    return list(_walk(source, output, kind))


def _walk(source: Path, output: Path, kind: str) -> Iterator[Found]:
    excluded = output.resolve()
    unreadable: list[str] = []
    lost = 0
    for folder, folders, files in os.walk(source, onerror=lambda error: unreadable.append(error.filename)):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if excluded.name in folders and (here / excluded.name).resolve() == excluded:
            folders.remove(excluded.name)
        shown = [(name, os.path.splitext(name)[1].lower()) for name in files if not name.startswith(".")]  # noqa: PTH122 (quick)
        videos = sorted(name for name, suffix in shown if suffix in VIDEO_SUFFIXES)
        alone = sorted(name for name, suffix in shown if suffix in _MOVING or suffix in _READ_ONLY)
        stills = [name for name, suffix in shown if suffix in IMAGE_SUFFIXES]
        yield from (Found(here / name) for name in videos)
        yield from (Found(here / name, picture=True) for name in alone)
        if not stills:
            continue
        if kind != "pictures" and videos:
            lost += len(stills)
        elif kind == "pictures" or (kind == "auto" and (alone or _unrelated(here, stills))):
            yield from (Found(path, picture=True) for path in frame_paths(here))
        else:
            yield Found(here)
    yield from (Found(Path(name)) for name in unreadable)  # running them says why
    if lost:
        _log.info("pictures that lie beside videos are passed over (%d); --as pictures takes them", lost)


def _unrelated(folder: Path, names: Sequence[str]) -> bool:
    """Whether pictures are no frames of one video; says so where there are several."""
    why: Literal["", "their names don't count up", "their sizes differ"] = ""
    if not counts_up(names):
        why = "their names don't count up"
    elif _sizes_differ([folder / name for name in names]):
        why = "their sizes differ"
    if why and len(names) > 1:
        _log.info("%s: %d pictures, each for itself, as %s (--as frames)", folder, len(names), why)
    return bool(why)


def counts_up(names: Sequence[str]) -> bool:
    """Whether file names are the same but for a number that counts frames.

    One name does where it is nothing but a number.
    """
    stems = [Path(name).stem for name in names]
    if len(stems) == 1:
        return stems[0].isdecimal()
    parts = [_NUMBERED.fullmatch(stem) for stem in stems]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts) or len({(part[1], part[3]) for part in found}) > 1:
        return False
    numbers = sorted(int(part[2]) for part in found)
    steps = {after - before for before, after in pairwise(numbers)}
    if 0 in steps:
        return False
    return len(steps) == 1 or numbers[-1] - numbers[0] <= _MOST_GAPS * len(numbers)


def _sizes_differ(paths: Sequence[Path]) -> bool:
    step = max(1, len(paths) // _LOOKED_AT)
    sizes = {picture_size(path) for path in [*paths[::step], paths[-1]]}
    return len(sizes - {None}) > 1


def outputs_for(found: Sequence[Found], source: Path, output: Path) -> list[Path]:
    """Mirrored names. What becomes .mp4 or .png gives way to what has that name already."""
    mirrored = [output / one.path.relative_to(source) for one in found]
    kept = {target for one, target in zip(found, mirrored, strict=True) if _keeps_name(one)}
    taken = kept | {parent for target in mirrored for parent in target.parents}
    targets = []
    for one, target in zip(found, mirrored, strict=True):
        if target not in kept:
            name, suffix = one.path.name, ".png" if one.picture else ".mp4"
            names = [target.with_suffix(suffix), target.with_name(name + suffix)]
            number = 2
            while names[0] in taken:
                names.pop(0)
                names += [] if names else [target.with_name(f"{name}.{number}{suffix}")]
                number += 1
            target = names[0]
            taken.add(target)
        targets.append(target)
    return targets


def _keeps_name(found: Found) -> bool:
    suffix = found.path.suffix.lower()
    return (found.picture and suffix not in _READ_ONLY) or suffix in _KEPT or found.path.is_dir()
