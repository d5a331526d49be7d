"""Stages one by one, and whole runs in processes of their own, at several sizes."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from scenivid.engine.bench.clips import make_clip
from scenivid.engine.bench.yardsticks import Used, Yardstick, ffmpeg_alone, machine, run
from scenivid.engine.chain import Chain
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.stages import Stopwatch
from scenivid.machine import cores
from scenivid.machine.devices import resolve_device
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.pixels import Clip, StoredClip
from scenivid.styles.zoo import find
from scenivid.video.open import open_video
from scenivid.video.writing.writer import WriterSettings, open_writer

SIZES = ((360, 640), (540, 960), (1080, 1920), (2160, 3840))
"""Height and width in pixels."""
_QUICK = 1
"""Sizes that a quick bench measures."""
_WARM = 2
"""Frames that aren't counted."""


@dataclass(frozen=True)
class Timing:
    """One stage at one size, run alone."""

    stage: str
    size: str
    """WIDTHxHEIGHT."""
    ms_per_frame: float
    """Processor time of all threads."""


@dataclass(frozen=True)
class Whole:
    """A whole run, a process of its own: from the file to the file."""

    size: str
    pixels: int
    ms_per_frame: float
    """Processor time of all threads, without what starting takes."""
    frames_per_s: float
    """By the clock, without what starting takes: depends on what else the machine does."""
    cores_busy: float
    start_s: float
    """Processor time until the first frame is done."""
    peak_mb: float
    ffmpeg_ms_per_frame: float
    """What FFmpeg alone takes to decode and encode the same video."""

    @property
    def ratio(self) -> float:
        """To FFmpeg alone."""
        return self.ms_per_frame / max(self.ffmpeg_ms_per_frame, 1e-9)


@dataclass(frozen=True)
class Bench:
    """Everything that was measured."""

    machine: dict[str, Any]
    yardsticks: list[Yardstick]
    timings: list[Timing]
    runs: list[Whole]
    peak_share: float | None
    """Share of the matrix multiplication's speed that a lite network reaches, in its precision."""

    def copies(self, timing: Timing) -> float:
        """A stage's time, in times that copying one float32 plane of its size takes here."""
        width, height = map(int, timing.size.split("x"))
        speed = next(stick.value for stick in self.yardsticks if stick.unit == "GB/s")
        return timing.ms_per_frame / (1000 * 2 * 4 * width * height / (speed * 1e9))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        timings = [{**asdict(one), "plane_copies": self.copies(one)} for one in self.timings]
        runs = [{**asdict(one), "ratio_to_ffmpeg": one.ratio} for one in self.runs]
        return {**asdict(self), "timings": timings, "runs": runs}


def bench(settings: StylizeSettings, quick: bool, told: Callable[[str], None] = lambda text: None) -> Bench:
    """Measure on this machine.

    Args:
        settings: style, device, precision, engine and so on; outputs are H.264.
        quick: few frames, small sizes only.
        told: called with what is being measured.
    """
    sizes = SIZES[:_QUICK] if quick else SIZES
    frames = 6 if quick else 24
    device = resolve_device(settings.device)
    told("yardsticks")
    sticks = machine(quick)
    timings: list[Timing] = []
    runs: list[Whole] = []
    engine = "torch"
    with tempfile.TemporaryDirectory(prefix="scenivid-") as scratch:
        for height, width in sizes:
            told(f"{width}x{height}")
            clip = make_clip(Path(scratch) / f"{height}.mp4", height, width, frames)
            stages, engine = _stages(clip, settings, device)
            timings += stages
            runs.append(_whole(clip, settings, height, width, frames))
    about = {
        "processor": platform.processor() or platform.machine(),
        "cores": cores.available(),
        "device": str(device),
        "torch": torch.__version__,
        "engine": engine,
        "style": settings.style,
        "frames": frames,
    }
    return Bench(about, sticks, timings, runs, _share(settings, sticks, timings))


def _stages(clip: Path, settings: StylizeSettings, device: torch.device) -> tuple[list[Timing], str]:
    """Each stage alone, over the same frames."""
    watch = Stopwatch(time.process_time)
    with ExitStack() as opened:
        reader = opened.enter_context(open_video(clip))
        info, size = reader.info, (reader.info.height, reader.info.width)
        scratch = opened.enter_context(tempfile.TemporaryDirectory(prefix="scenivid-"))
        wanted = WriterSettings(overwrite=True, device=str(device))
        writing = opened.enter_context(ExitStack())
        writer = writing.enter_context(open_writer(Path(scratch) / "out.mp4", info, wanted))
        stored = writer.stored if reader.stores and device.type == "cpu" else None
        chain = Chain.build(settings, device, None, size, writer.dtype, [], stored=stored)
        with watch.stage("decode"):
            source: list[Clip | StoredClip] = list(
                reader.clips(chain.batch) if stored is None else reader.stored_clips(chain.batch)
            )
        serial = replace(chain, serial=True)
        with cores.set_up(chain.threads):
            with serial.running(chain.parts(source[:_WARM]), Stopwatch()) as parts:
                list(parts)
            with serial.running(chain.parts(source), watch) as parts:
                done = [part.source for part in parts]
        with watch.stage("encode"):
            for one in done:
                writer.write(one)
            writing.close()  # the encoder gives its last frames now
        frames = sum(len(one) for one in source)
    name = f"{size[1]}x{size[0]}"
    timings = [Timing(stage, name, 1000 * spent / frames) for stage, spent in watch.seconds().items()]
    return timings, str(chain.settled.get("engine", "none"))


def _whole(clip: Path, settings: StylizeSettings, height: int, width: int, frames: int) -> Whole:
    """The program itself, once for one frame and once for all."""
    words = [sys.executable, "-m", "scenivid", "stylize", str(clip), str(clip.with_name("whole.mp4"))]
    words += ["--overwrite", "--quiet", "--style", settings.style, "--device", settings.device]
    words += ["--precision", settings.precision, "--engine", settings.engine]
    words += ["--paint", str(settings.paint), "--consistency", str(settings.consistency)]
    run([*words, "--duration", "0.04"])  # what is measured and kept at first use isn't counted
    start, whole = run([*words, "--duration", "0.04"]), run(words)
    alone = ffmpeg_alone(clip)
    more: Used = Used(
        max(whole.cpu_s - start.cpu_s, 1e-9), max(whole.wall_s - start.wall_s, 1e-9), whole.peak_mb
    )
    count = frames - 1
    return Whole(
        f"{width}x{height}",
        width * height,
        1000 * more.cpu_s / count,
        count / more.wall_s,
        more.cpu_s / more.wall_s,
        start.cpu_s,
        whole.peak_mb,
        1000 * alone / frames,
    )


def _share(settings: StylizeSettings, sticks: list[Yardstick], timings: list[Timing]) -> float | None:
    """How near a lite network comes to the speed of matrix multiplication at 960x540."""
    spent = [one.ms_per_frame for one in timings if one.stage == "translate" and one.size == "960x540"]
    if not spent or not spent[0] or settings.style == "none" or Path(settings.style).suffix == ".onnx":
        return None
    network, card = load_checkpoint(find(settings.style))
    if card.architecture != "lite":
        return None
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.rand(1, 3, 544, 960))
    flops = counter.get_total_flops()
    best = max(stick.value for stick in sticks if stick.unit == "GFLOP/s")
    return float(flops / (spent[0] / 1000) / (best * 1e9))
