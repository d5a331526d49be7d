"""How often a moving picture is shown, by its own header; FFmpeg doesn't tell."""

from __future__ import annotations

from pathlib import Path

_HEAD = 1 << 16
"""Bytes in which a header says it; a GIF's first colours come before."""
_GIF = b"\x21\xff\x0bNETSCAPE2.0\x03\x01"


def plays_of(path: Path) -> int:
    """Times that a GIF, an APNG or a moving WebP is shown; 0 for ever, also where it can't be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return 0
    if head[:4] == b"GIF8":
        at = head.find(_GIF)
        if at < 0:
            return 1
        again = int.from_bytes(head[at + len(_GIF) :][:2], "little")
        return again and again + 1
    if head[:4] == b"RIFF":
        at = head.find(b"ANIM")
        return int.from_bytes(head[at + 12 : at + 14], "little") if at >= 0 else 0
    at = head.find(b"acTL")
    return int.from_bytes(head[at + 8 : at + 12], "big") if at >= 0 else 0
