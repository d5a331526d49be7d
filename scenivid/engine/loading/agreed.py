"""What 'auto' becomes for all runs of one batch, on however many machines: what the first of them chose.

Each choice is a small file in a folder that all of them see, which whoever chooses first puts there whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
from pathlib import Path

_log = logging.getLogger(__name__)


def agree(folder: Path | None, what: str, mine: str) -> str:
    """The choice of whoever was the first to make it.

    Args:
        folder: where choices are kept; None for a run that has none to agree with.
        what: is chosen.
        mine: what this run would choose. Where nothing can be read or written, it is taken.
    """
    if folder is None:
        return mine
    path = folder / f"{hashlib.sha256(what.encode(errors='replace')).hexdigest()[:20]}.auto.json"
    try:
        known = _read(path)
        if known is None:
            _put(path, json.dumps({"what": what, "is": mine}))
            known = _read(path)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        _log.debug("%s: nothing is agreed: %s", path, exc)
        known = None
    return mine if known is None else known


def _read(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["is"])
    except FileNotFoundError:
        return None


def _put(path: Path, text: str) -> None:
    """Write a file, whole, unless there is one."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        try:
            os.link(part, path)
        except FileExistsError:
            pass
        except OSError:  # no hard links here
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
