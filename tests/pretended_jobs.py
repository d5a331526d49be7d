"""Sources for batches, and an engine that only pretends."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenivid.batch import jobs as batch
from scenivid.engine import Report, StylizeSettings

SETTINGS = StylizeSettings(style="none", device="cpu")


def video(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), "rgb24")))
        file.mux(stream.encode())


def frames(folder: Path, *names: str, value: int = 7) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.full((16, 16, 3), value, np.uint8))


def pretend(monkeypatch: pytest.MonkeyPatch, fails: dict[str, BaseException] | None = None) -> list[Path]:
    """In place of the engine: writes a line, or raises what is set for the source's name."""
    ran: list[Path] = []

    def stylize(source: Path, output: Path, settings: StylizeSettings, *_: object) -> Report:
        ran.append(source)
        if fails and source.name in fails:
            raise fails[source.name]
        output.write_text(f"{source}")
        return Report(1, 0.1, 10.0, output, {}, {}, ())

    monkeypatch.setattr(batch, "stylize", stylize)
    return ran
