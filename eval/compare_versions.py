"""Two versions of scenivid side by side on this machine: processor time a frame, start-up, memory.

    python eval/compare_versions.py --before TREE [--clip FILE …] [--frames 24] [--repeats 3] [--json FILE]

TREE is a checkout of the version before (`git worktree add TREE COMMIT`); the other is the one that this file
lies in, and both run in the same Python. Runs of both alternate, and the least of each counts: other work on
the machine can only add. Outputs are H.264, style and dial the defaults; clips are generated at four sizes,
unless some are named.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from scenivid.engine.bench.clips import make_clip
from scenivid.engine.bench.measure import SIZES
from scenivid.engine.bench.yardsticks import Used, ffmpeg_alone, run
from scenivid.video.open import open_video, probe

HERE = Path(__file__).resolve().parents[1]
_FEWER = 1920 * 1080
"""Pixels of a frame above which only a third of the frames is measured."""


@dataclass(frozen=True)
class Cost:
    """What a version takes for one clip."""

    ms_per_frame: float
    """Processor time of all threads, without what the first frame takes."""
    frames_per_s: float
    """By the clock, the same way; means something on an idle machine only."""
    start_s: float
    """Processor time until the first frame is written, from nothing."""
    peak_mb: float


@dataclass(frozen=True)
class Compared:
    """One clip."""

    clip: str
    size: str
    frames: int
    before: Cost
    now: Cost
    ffmpeg_ms_per_frame: float
    """Decoding and encoding alone."""

    @property
    def ratio(self) -> float:
        """How many times less processor time a frame takes now."""
        return self.before.ms_per_frame / self.now.ms_per_frame


def compare(clip: Path, before: Path, repeats: int, work: Path) -> Compared:
    """Measure both versions on one clip."""
    info = probe(clip)
    with open_video(clip) as reader:
        frames = sum(len(part) for part in reader.clips(1))
    trees = {"before": before, "now": HERE}
    firsts: dict[str, list[Used]] = {name: [] for name in trees}
    wholes: dict[str, list[Used]] = {name: [] for name in trees}
    for tree in trees.values():
        _stylize(tree, clip, work, "--duration", "0.03")  # what is measured and kept at first use
    for _ in range(repeats):
        for name, tree in trees.items():
            firsts[name].append(_stylize(tree, clip, work, "--duration", "0.03"))
            wholes[name].append(_stylize(tree, clip, work))
    costs = {name: _cost(firsts[name], wholes[name], frames) for name in trees}
    alone = min(ffmpeg_alone(clip) for _ in range(repeats))
    size = f"{info.width}x{info.height}"
    return Compared(clip.name, size, frames, costs["before"], costs["now"], 1000 * alone / frames)


def _stylize(tree: Path, clip: Path, work: Path, *more: str) -> Used:
    words = [sys.executable, "-m", "scenivid", "stylize", str(clip), str(work / "out.mp4")]
    words += ["--overwrite"]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    return run([*words, *more], environment, tree)


def _cost(firsts: list[Used], wholes: list[Used], frames: int) -> Cost:
    cpu, wall = (min(getattr(used, name) for used in wholes) for name in ("cpu_s", "wall_s"))
    start_cpu, start_wall = (min(getattr(used, name) for used in firsts) for name in ("cpu_s", "wall_s"))
    count = max(1, frames - 1)
    return Cost(
        1000 * (cpu - start_cpu) / count,
        count / max(wall - start_wall, 1e-9),
        start_cpu,
        max(used.peak_mb for used in wholes),
    )


def table(rows: list[Compared]) -> str:
    """As Markdown."""
    head = (
        "clip | frames | CPU ms a frame before | now | ratio | × FFmpeg alone | frames/s before | now |"
        " start, CPU s before | now | peak MB before | now"
    )
    lines = [f"| {head} |", "|---|" + "--:|" * head.count("|")]
    for row in rows:
        old, new = row.before, row.now
        cells = (
            f"{row.clip} {row.size}",
            str(row.frames),
            f"{old.ms_per_frame:.0f}",
            f"{new.ms_per_frame:.0f}",
            f"{row.ratio:.1f}",
            f"{new.ms_per_frame / max(row.ffmpeg_ms_per_frame, 1e-9):.1f}",
            f"{old.frames_per_s:.1f}",
            f"{new.frames_per_s:.1f}",
            f"{old.start_s:.2f}",
            f"{new.start_s:.2f}",
            f"{old.peak_mb:.0f}",
            f"{new.peak_mb:.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="checkout of the version before")
    parser.add_argument("--clip", type=Path, action="append", help="measure this file; may be repeated")
    parser.add_argument("--frames", type=int, default=24, help="of generated clips; a third of it at 2160p")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="scenivid-compare-") as folder:
        work = Path(folder)
        clips = options.clip or [
            make_clip(work / f"{h}p.mp4", h, w, options.frames if h * w <= _FEWER else options.frames // 3)
            for h, w in SIZES
        ]
        for clip in clips:
            rows.append(compare(clip.resolve(), options.before.resolve(), options.repeats, work))
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) | {"ratio": row.ratio} for row in rows], indent=1))


if __name__ == "__main__":
    main()
