"""A graph of ffmpeg-python with scenivid in its middle."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from small_runs import FRAMES, read

ffmpeg: Any = pytest.importorskip("ffmpeg", reason="pip install 'scenivid[ffmpeg]'")

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "integrations" / "ffmpeg" / "scenivid_ffmpeg.py"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    spec = importlib.util.spec_from_file_location("scenivid_ffmpeg", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_filters_before_and_after_hold(plugin: ModuleType, clip: Path, tmp_path: Path) -> None:
    source = ffmpeg.input(str(clip))
    out, plain = tmp_path / "out.mkv", tmp_path / "plain.mkv"
    plugin.stylize(
        source.video.filter("crop", 64, 48, 0, 0),
        lambda painted: ffmpeg.output(painted.filter("scale", 32, 24), str(out), vcodec="ffv1"),
        style="none",
        device="cpu",
    )
    words = ["-v", "error", "-i", str(clip), "-vf", "crop=64:48:0:0,format=yuv420p,scale=32:24"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *words, "-c:v", "ffv1", str(plain)], check=True)
    made, _ = read(out)
    expected, _ = read(plain)
    assert len(made) == FRAMES and np.shape(made) == np.shape(expected)
    assert (np.asarray(made) == np.asarray(expected)).all()


def test_who_has_failed_is_named(
    plugin: ModuleType, clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="scenivid"):
        plugin.stylize(
            ffmpeg.input(str(clip)).video,
            lambda painted: ffmpeg.output(painted, str(tmp_path / "out.mkv")),
            style="nowhere",
        )
    assert "no style 'nowhere'" in capfd.readouterr().err


def test_dials_become_options(plugin: ModuleType) -> None:
    words = plugin._options({"style_image": Path("a.jpg"), "strength": 0.5, "overwrite": True})
    assert words == ["--style-image", "a.jpg", "--strength", "0.5", "--overwrite"]
