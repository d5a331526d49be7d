"""What the tests of pipes share."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from piped import Feed, raw

from scenivid.video.writing import sinks


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    """Puts bytes into the standard input, which can't be sought."""
    opened = contextlib.ExitStack()

    def begin(data: bytes) -> None:
        out, into = os.pipe()

        def write() -> None:
            with contextlib.suppress(BrokenPipeError), os.fdopen(into, "wb", buffering=0) as pipe:
                left = memoryview(data)
                while left:  # until no more is wanted
                    left = left[pipe.write(left) :]

        threading.Thread(target=write, daemon=True).start()
        file = opened.enter_context(os.fdopen(out, "rb"))
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=file))

    with opened:
        yield begin


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """What goes to the standard output."""
    held = io.BytesIO()
    stdout = SimpleNamespace(buffer=held, isatty=lambda: False)
    monkeypatch.setattr(sinks, "sys", SimpleNamespace(stdout=stdout))  # pytest puts its own into sys
    return held


@pytest.fixture
def y4m(tmp_path: Path) -> Path:
    return raw(tmp_path / "in.y4m")
