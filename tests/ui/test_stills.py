"""Somebody waits for each still: what costs time is done once, and thumbnails come last."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from servers import h264_clip

from scenivid.engine.loading import loaded
from scenivid.ui.choices import Choices
from scenivid.ui.place import Place
from scenivid.ui.sources import Source, Sources
from scenivid.ui.stills import Still, Stills


@pytest.fixture
def source(tmp_path: Path) -> Source:
    h264_clip(tmp_path / "in.mp4", frames=30)
    return Sources(Place(tmp_path / "home"), (tmp_path,)).find("me", "in.mp4")


def test_torch_is_told_that_its_threads_may_sleep_before_it_loads() -> None:
    code = (
        "import importlib.abc, os, sys\n"
        "class Watch(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name != 'torch' or os.environ['OMP_WAIT_POLICY'] == 'PASSIVE'\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import scenivid.ui.stills, scenivid.ui.server, scenivid.evaluation.flicker\n"
        "import torch"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_style_is_loaded_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    once = loaded.Loaded._once

    def counted(self: loaded.Loaded, key: tuple[object, ...], make: object) -> object:
        return once(self, key, lambda: made.append(key) or make())  # type: ignore

    monkeypatch.setattr(loaded.Loaded, "_once", counted)
    stills = Stills("cpu")
    stills.warm_up()
    known = len(made)
    for at in (0.2, 0.4, 0.8):
        stills.still("me", source, at, Choices())
    assert known > 0 and not [key for key in made[known:] if "aozora" in key]


def test_thumbnails_let_larger_stills_go_first(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    stills, painted, begun, go_on = Stills("cpu"), [], threading.Event(), threading.Event()

    def paint(clip: object, choices: Choices) -> Still:
        painted.append(choices.strength)
        begun.set()
        assert go_on.wait(30)
        return Still(b"", b"", 1, 1, str(choices.strength))

    monkeypatch.setattr(stills, "_paint", paint)

    def ask(strength: float, thumbnail: bool) -> threading.Thread:
        look = replace(Choices(), strength=strength)
        thread = threading.Thread(target=stills.still, args=("me", source, 0.1, look, thumbnail))
        thread.start()
        return thread

    threads = [ask(0.1, True)]
    assert begun.wait(30)
    threads += [ask(0.2, True), ask(0.3, False)]
    while not stills._waiting:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert painted == [0.1, 0.3, 0.2]


def test_where_finer_strokes_are_asked_for_more_is_painted_than_shown(tmp_path: Path) -> None:
    h264_clip(tmp_path / "large.mp4", frames=1, size=(1920, 1080))
    source = Sources(Place(tmp_path / "home"), (tmp_path,)).find("me", "large.mp4")
    stills = Stills("cpu")
    for paint in ("auto", 1080):
        still = stills.still("me", source, 0.0, Choices(style="none", paint=paint))
        assert (still.width, still.height) == (1280, 720)
    sizes = {clip.pixels.shape[-1] for clip in stills._frames.values()}
    assert sizes == {1280, 1920}
