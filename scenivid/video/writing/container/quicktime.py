"""A cover in a QuickTime file, which FFmpeg's muxer writes for MP4 only.

It lies where iTunes puts it and FFmpeg finds it: moov/udta/meta/ilst/covr. Format: QuickTime File Format
Specification, "Movie Atoms" and "User Data Atoms".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_PNG = b"\x89PNG"
_JPEG_KIND, _PNG_KIND = 13, 14


def add_cover(path: Path, picture: bytes) -> bool:
    """Add a JPEG or PNG picture to a finished file whose index comes last.

    Returns:
        False where the file is not of this form; it is then as it was.

    Raises:
        OSError: the file can't be read or written.
    """
    with path.open("r+b") as file:
        at, end = 0, path.stat().st_size
        while at < end:
            file.seek(at)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            size = int.from_bytes(head[8:16], "big") if size == 1 else size
            if size < 8:
                return False
            if kind == b"moov" and at + size == end:
                file.seek(at)
                moov = file.read(size)
                file.seek(at)
                file.write(_with_cover(moov, picture))
                return True
            at += size
    return False


def _with_cover(moov: bytes, picture: bytes) -> bytes:
    kind = _PNG_KIND if picture.startswith(_PNG) else _JPEG_KIND
    data = _atom(b"data", kind.to_bytes(4, "big") + bytes(4) + picture)
    handler = _atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    meta = _atom(b"meta", bytes(4) + handler + _atom(b"ilst", _atom(b"covr", data)))
    kept, user = [], b""
    for name, atom in _atoms(moov[8:]):
        if name == b"udta":
            user += atom[8:]
        else:
            kept.append(atom)
    return _atom(b"moov", b"".join(kept) + _atom(b"udta", user + meta))


def _atoms(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = max(8, int.from_bytes(data[at : at + 4], "big"))
        yield data[at + 4 : at + 8], data[at : at + size]
        at += size


def _atom(name: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + name + body
