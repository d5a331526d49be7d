"""The example scripts run as their docstrings say."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import av
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def _run(script: str, output: Path) -> str:
    words = [sys.executable, str(EXAMPLES / script), str(EXAMPLES / "clip.mp4"), str(output)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("script", "frames"), [("stylize_a_clip.py", 12), ("your_own_look.py", 72)])
def test_a_script_writes_a_video_with_sound(script: str, frames: int, tmp_path: Path) -> None:
    assert _run(script, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert len(file.streams.audio) == 1
        assert sum(1 for _ in file.decode(video=0)) == frames


@pytest.mark.slow
def test_measuring_prints_a_table(tmp_path: Path) -> None:
    assert "E_warp" in _run("measure_flicker.py", tmp_path / "results")


@pytest.mark.slow
def test_a_network_of_ones_own_is_steadied(tmp_path: Path) -> None:
    made = [tmp_path / "flickering.mp4", tmp_path / "steady.mp4"]
    words = [str(EXAMPLES / "steady_any_network.py"), str(EXAMPLES / "clip.mp4"), *map(str, made)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    apart = []
    for path in made:
        with av.open(str(path)) as file:
            frames = [frame.to_ndarray(format="gray").astype(float) for frame in file.decode(video=0)]
        apart.append(sum(abs(b - a).mean() for a, b in pairwise(frames)))
    assert apart[1] < 0.8 * apart[0]
