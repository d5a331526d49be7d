"""Real servers with real children: a kill in the middle costs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("gradio", reason="the window is an extra: pip install 'scenivid[ui]'")

from servers import ROOT, Server, h264_clip, serving
from small_runs import random_style

from scenivid.nets.lite import LiteParams

pytestmark = pytest.mark.slow

SHORT_PIECES = """
import time
from scenivid.engine import passage
from scenivid.engine.segments.work import Work
from scenivid.engine.shots import Pieces

passage.piece_lengths = lambda rate: Pieces(20)
if {slow}:
    add = Work.add
    Work.add = lambda self, *rest: (add(self, *rest), time.sleep(0.3))  # it shall not be done before the kill
"""
"""What a child imports at its start: pieces of a second, not of ten."""
WAIT_S = 240.0


def ask(server: Server, path: str, values: object = None) -> Any:
    """An answer of the API."""
    body = None if values is None else json.dumps(values).encode()
    with urlopen(Request(server.address.rstrip("/") + path, body)) as answer:
        return json.load(answer)


def wait_for(true: Callable[[], bool]) -> None:
    """Until a child has done something."""
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_job_goes_on_after_its_server_was_killed_and_gives_the_command_lines_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, patches = tmp_path / "named", tmp_path / "patches"
    named.mkdir()
    patches.mkdir()
    models = tmp_path / "models"
    models.mkdir()
    Path(random_style(tmp_path, LiteParams((8, 8, 8), head=8))).rename(models / "random.safetensors")
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(patches), str(ROOT)]))
    clip = h264_clip(named / "walk.mp4", frames=100)
    home, patch = tmp_path / "home", patches / "sitecustomize.py"
    patch.write_text(SHORT_PIECES.format(slow=True))
    with serving(home, "--folder", str(named), paths=[patches]) as server:
        job = ask(server, "/api/jobs", {"source": "walk.mp4", "style": "random", "strength": 0.8})
        (folder,) = (home / "users").glob("*/jobs/*")
        wait_for(lambda: len(list(folder.glob(".*.work/*.data"))) >= 2)
        server.process.kill()
        server.process.wait()
    assert not (folder / job["result_name"]).exists()
    patch.write_text(SHORT_PIECES.format(slow=False))
    with serving(home, "--folder", str(named), paths=[patches]) as server:
        wait_for(lambda: ask(server, f"/api/jobs/{job['id']}")["state"] == "done")
    log = (folder / "log.jsonl").read_text()
    first = [json.loads(line)["done"] for line in log.splitlines() if '"progress"' in line]
    assert first[0] == 1 and 1 not in first[1:]  # the second run began after the first one's pieces
    plain = tmp_path / "plain.mp4"
    words = [sys.executable, "-m", "scenivid", "stylize", str(clip), str(plain), "--style", "random",
             "--strength", "0.8", "--consistency", "0.7", "--paint", "auto", "--device", "cpu"]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True)
    assert (folder / job["result_name"]).read_bytes() == plain.read_bytes()


def test_one_server_a_home(tmp_path: Path) -> None:
    with serving(tmp_path), pytest.raises(AssertionError, match="another scenivid ui"), serving(tmp_path):
        pass


def test_the_example_of_the_documentation_stylizes_a_clip(tmp_path: Path) -> None:
    clip, output = h264_clip(tmp_path / "in.mp4", frames=5), tmp_path / "out.mp4"
    with serving(tmp_path / "home") as server:
        words = [sys.executable, str(ROOT / "examples" / "use_the_api.py"), str(clip), str(output),
                 "--address", server.address, "--style", "cel"]  # fmt: skip
        subprocess.run(words, check=True, capture_output=True)
        with urlopen(server.address) as answer:
            assert b"scenivid" in answer.read()
    assert output.stat().st_size > 1000
