"""EBML, the format below Matroska and WebM (RFC 8794): elements of a number, a length and a body."""

from __future__ import annotations

from typing import BinaryIO

_LONGEST_NUMBER, _LONGEST_LENGTH = 4, 8


def read_head(file: BinaryIO) -> tuple[int, int | None] | None:
    """Number and body length of the element here (None: up to where it ends); None where there is none.

    The file then stands at the body.
    """
    number = _read(file, _LONGEST_NUMBER)
    length = None if number is None else _read(file, _LONGEST_LENGTH)
    if number is None or length is None:
        return None
    bits = (1 << 7 * len(length)) - 1
    size = int.from_bytes(length, "big") & bits
    return int.from_bytes(number, "big"), None if size == bits else size


def element(number: int, body: bytes, width: int | None = None) -> bytes:
    """An element, whole.

    Args:
        width: bytes of its length field; None for the fewest.
    """
    while width is None or len(body) >= (1 << 7 * width) - 1:
        width = 1 if width is None else width + 1
    length = (len(body) | 1 << 7 * width).to_bytes(width, "big")
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + length + body


def _read(file: BinaryIO, longest: int) -> bytes | None:
    """A number of variable length with its marker: its first byte tells how many follow."""
    first = file.read(1)
    width = 9 - first[0].bit_length() if first else 9
    if width > longest:
        return None
    more = file.read(width - 1)
    return first + more if len(more) == width - 1 else None
