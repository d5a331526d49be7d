"""What the machine can do at best, measured in the same run: a time alone says little."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from av.video.frame import PictureType
from av.video.stream import VideoStream

from scenivid.engine.bench.animegan import Generator

_WATCH = """
import os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as used:
    used.write(f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a program and writes down what it took. A small process in between: the peak memory of a child begins
with that of the process it was made by."""
_SIDE = 1024
"""Of the matrices that are multiplied."""
_COPIED = 64 << 20


@dataclass(frozen=True)
class Yardstick:
    """One figure of the machine."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Used:
    """What a program took."""

    cpu_s: float
    """Of all its threads."""
    wall_s: float
    peak_mb: float


def machine(quick: bool) -> list[Yardstick]:
    """Arithmetic, memory, and the generator of another project."""
    sticks = []
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        first, second = torch.rand(_SIDE, _SIDE).to(dtype), torch.rand(_SIDE, _SIDE).to(dtype)
        seconds = least(lambda a=first, b=second: torch.mm(a, b), quick)  # type: ignore[misc]
        sticks.append(Yardstick(f"matrix multiplication {name}", 2 * _SIDE**3 / seconds / 1e9, "GFLOP/s"))
    block = np.ones(_COPIED, np.uint8)
    target = np.empty_like(block)
    sticks.append(
        Yardstick("memory copy", 2 * _COPIED / least(lambda: np.copyto(target, block), quick) / 1e9, "GB/s")
    )
    needed = ("onnx", "onnxscript", "onnxruntime")
    if not quick and all(importlib.util.find_spec(name) for name in needed):
        sticks.append(Yardstick("AnimeGANv2 generator, ONNX Runtime, 960x540", _animegan(), "ms/frame"))
    return sticks


def ffmpeg_alone(source: Path) -> float:
    """Seconds of processor time to decode a video and encode it with x264 as we do, nothing between."""
    began = time.process_time()
    with av.open(str(source)) as read, av.open(os.devnull, "w", format="null") as written:
        track = read.streams.video[0]
        track.thread_type = "AUTO"
        stream = written.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "17"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = track.width, track.height, "yuv420p"
        stream.codec_context.thread_type = "AUTO"
        for frame in read.decode(track):
            frame.pict_type = PictureType.NONE
            written.mux(stream.encode(frame))
        written.mux(stream.encode())
    return time.process_time() - began


def run(words: list[str], environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Used:
    """Run a program to its end.

    Args:
        environment: its variables; None for this process's.
        folder: where it runs; None for here.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="scenivid-") as scratch:
        used, said = Path(scratch) / "used", Path(scratch) / "said"
        began = time.perf_counter()
        with said.open("wb") as pipe:
            status = subprocess.call(
                [sys.executable, "-c", _WATCH, str(used), *words],
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                env=environment,
                cwd=folder,
            )
        wall = time.perf_counter() - began
        if status:
            text = said.read_text(errors="replace")
            raise RuntimeError(f"{words[0]} failed: {text[-500:]}")
        cpu, peak = map(float, used.read_text().split())
    return Used(cpu, wall, peak / 1024)


def least(work: Callable[[], object], quick: bool) -> float:
    """Seconds of processor time, the least of several runs after one that warms up."""
    work()
    times = []
    for _ in range(2 if quick else 5):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return max(min(times), 1e-9)


def _animegan() -> float:
    """Milliseconds of processor time for a frame of 960x540."""
    from scenivid.styles.onnx.export import Unit, trace
    from scenivid.styles.onnx.session import open_session

    with tempfile.TemporaryDirectory(prefix="scenivid-") as scratch:
        path = Path(scratch) / "animegan.onnx"
        trace(Unit(Generator().eval()), 4, path)
        session = open_session(path, torch.device("cpu"))
        image = np.random.default_rng(0).random((1, 3, 540, 960), np.float32)
        return 1000 * least(lambda: session.run(None, {"image": image}), True)
