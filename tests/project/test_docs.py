"""The documentation's commands work, its quoted messages are the program's, and its site can be built."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```\n(.*?)^```", re.DOTALL | re.MULTILINE)


def tasks() -> list[tuple[str, list[str]]]:
    """The cookbook's tasks: each title with its commands."""
    parts = re.split(r"^## \d+\. ", (DOCS / "cookbook.md").read_text(), flags=re.MULTILINE)[1:]
    found = []
    for part in parts:
        title, _, rest = part.partition("\n")
        found.append((title, [line for block in BLOCK.findall(rest) for line in block.splitlines()]))
    return found


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Every string of a program; what is filled in becomes `\\0`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "\0"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@lru_cache
def said() -> list[str]:
    """What the program can say, read once."""
    return [
        text for path in (ROOT / "scenivid").rglob("*.py") for text in texts_of(ast.parse(path.read_text()))
    ]


def quoted() -> list[str]:
    """The messages in the titles of the page of troubles."""
    return re.findall(r"^### `(.*)`", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)


def files(place: Path) -> None:
    """What the cookbook's commands find: small, of its names."""
    run = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-v", "error"]
    scene = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.4")
    tone = ("-f", "lavfi", "-i", "sine=440:d=0.4")
    for name in ("in.mp4", "shots/a.mp4", "shots/b.mkv", "damaged.avi"):
        (place / name).parent.mkdir(exist_ok=True)
        subprocess.run([*run, *scene, *tone, str(place / name)], check=True)
    broken = bytearray((place / "damaged.avi").read_bytes())
    broken[-4000:-3000] = bytes(1000)
    (place / "damaged.avi").write_bytes(broken)
    (place / "frames").mkdir()
    subprocess.run([*run, *scene, "-frames:v", "3", str(place / "frames" / "%04d.png")], check=True)
    subprocess.run([*run, *scene, str(place / "moving.gif")], check=True)
    (place / "photos").mkdir()
    for name, size in (("photo.jpg", (80, 60)), ("photos/one.jpg", (64, 48)), ("photos/two.png", (48, 64))):
        pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(place / name), cv2.resize(pixels, size))


def network(path: Path) -> None:
    """Image to image in ONNX."""
    onnx = pytest.importorskip("onnx")
    make, kind, shape = onnx.helper, onnx.TensorProto.FLOAT, [1, 3, "h", "w"]
    graph = make.make_graph(
        [make.make_node("Clip", ["x"], ["y"])],
        "network",
        [make.make_tensor_value_info("x", kind, shape)],
        [make.make_tensor_value_info("y", kind, shape)],
    )
    opset = [make.make_opsetid("", 17)]
    path.write_bytes(make.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


def run(line: str, place: Path) -> subprocess.CompletedProcess[str]:
    """A line of the cookbook, without a shell; the programs of a pipeline run at once."""
    own, other = [sys.executable, "-m", "scenivid"], [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin"]
    programs = [shlex.split(part) for part in line.split("|")]
    words = [(own if first == "scenivid" else other) + rest for first, *rest in programs]
    before: subprocess.Popen[bytes] | None = None
    started = []
    for command in words[:-1]:
        source = before.stdout if before is not None else subprocess.DEVNULL
        before = subprocess.Popen(command, cwd=place, stdin=source, stdout=subprocess.PIPE)
        started.append(before)
    source = before.stdout if before is not None else subprocess.DEVNULL
    if before is not None:
        words[-1] = [word for word in words[-1] if word != "-nostdin"]
    done = subprocess.run(words[-1], cwd=place, stdin=source, capture_output=True, text=True, check=False)
    for program in started:
        assert program.stdout is not None
        program.stdout.close()
        assert program.wait() == 0
    return done


def test_the_cookbook_has_at_least_fifteen_tasks() -> None:
    titles = [title for title, _ in tasks()]
    assert len(titles) == len(set(titles)) >= 15
    assert all(commands for _, commands in tasks())


@pytest.mark.slow
@pytest.mark.parametrize(("title", "commands"), tasks(), ids=[title for title, _ in tasks()])
def test_the_cookbook_works(
    title: str, commands: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    files(tmp_path)
    if any("network.onnx" in line for line in commands):
        network(tmp_path / "network.onnx")
    before = set(tmp_path.rglob("*"))
    for line in commands:
        done = run(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    made = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert made or "probe" in commands[0]
    assert not [path for path in made if path.name.endswith(".part")]


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_one_that_is_said(message: str) -> None:
    pieces = [piece.strip(" ()'") for piece in message.split("…")]
    pieces = [piece for piece in pieces if len(piece) > 3]
    assert pieces
    texts = said()
    for piece in pieces:
        assert any(piece in text for text in texts), piece


def test_pages_name_only_pictures_that_are_there() -> None:
    for page in DOCS.rglob("*.md"):
        for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()):
            picture = page.parent / name
            assert picture.is_file(), f"{page.name}: {name}"
            with Image.open(picture) as opened:
                assert min(opened.size) > 50
            assert picture.stat().st_size < 1_500_001


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="needs the extra docs")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "StylizeSettings" in (tmp_path / "site" / "api" / "stylize" / "index.html").read_text()
    for one, other in pairwise(("index.html", "cookbook/index.html", "search/search_index.json")):
        assert (tmp_path / "site" / one).is_file() and (tmp_path / "site" / other).is_file()
