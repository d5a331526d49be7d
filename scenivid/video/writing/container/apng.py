"""How long an animated PNG shows its last frame: FFmpeg repeats the length of the one before."""

from __future__ import annotations

import zlib
from pathlib import Path

_HEAD = 8
"""Bytes of the signature."""
_DELAY = 20
"""Where the delay stands in a frame's control chunk: two numbers of 16 bits, a fraction of a second."""
_LONGEST_MS = 2**16 - 1


def set_last_length(path: Path, milliseconds: int) -> None:
    """Have the file at `path` show its last frame for so long.

    Raises:
        OSError: it can't be written.
    """
    with path.open("r+b") as file:
        at, last = _HEAD, 0
        file.seek(at)
        while len(head := file.read(8)) == 8:
            if head[4:] == b"fcTL":
                last = at
            at += 12 + int.from_bytes(head[:4], "big")
            file.seek(at)
        if not last:
            return
        file.seek(last + 4)
        chunk = bytearray(file.read(4 + 26))
        delay = min(milliseconds, _LONGEST_MS).to_bytes(2, "big") + (1000).to_bytes(2, "big")
        chunk[4 + _DELAY : 4 + _DELAY + 4] = delay
        file.seek(last + 4)
        file.write(chunk + zlib.crc32(chunk).to_bytes(4, "big"))
