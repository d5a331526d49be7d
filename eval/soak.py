"""A long run must not grow: memory, threads and open files of `stylize` while it goes.

    python eval/soak.py [--frames 20000] [--size 320x180] [-- --style none …]

Prints a line every so many frames, and at the end how much memory grew after the first 1,000 frames.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from memory import make_clip


def state_of(pid: int) -> tuple[int, int, int]:
    """Resident bytes, threads and open files of a process."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in status if ":" in line)
    resident = int(values["VmRSS"].split()[0]) * 1024
    return resident, int(values["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def frames_told(log: Path) -> int:
    """How far the run is."""
    lines = [line for line in log.read_text().splitlines() if '"done": ' in line]
    return int(lines[-1].split('"done": ')[1].split(",")[0]) if lines else 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--size", default="320x180")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    args, options = parser.parse_args(words[:end]), words[end + 1 :]
    width, height = (int(side) for side in args.size.split("x"))
    rows: list[tuple[int, int, int, int]] = []
    with tempfile.TemporaryDirectory() as scratch:
        clip, log = Path(scratch) / "in.mp4", Path(scratch) / "log"
        make_clip(clip, args.frames, width, height)
        words = [sys.executable, "-m", "scenivid", "stylize", str(clip), str(clip.with_name("out.mp4"))]
        with log.open("wb") as file:
            process = subprocess.Popen([*words, "--progress", "json", *options], stderr=file)
        print("| frames | RSS, MB | threads | open files |\n|---|---|---|---|", flush=True)
        shown = -1
        while process.poll() is None:
            time.sleep(0.5)
            try:
                frames, state = frames_told(log), state_of(process.pid)
            except (OSError, KeyError):  # it has just ended
                break
            if frames:
                rows.append((frames, *state))
            if frames // max(1, args.frames // 20) > shown and frames:
                shown = frames // max(1, args.frames // 20)
                print(f"| {frames} | {state[0] / 2**20:.0f} | {state[1]} | {state[2]} |", flush=True)
        if process.wait():
            raise SystemExit(log.read_text()[-2000:])
    settled = [row for row in rows if min(1000, args.frames // 4) <= row[0] < args.frames]
    tenth = max(1, len(settled) // 10)
    first = max(row[1] for row in settled[:tenth])
    last = max(row[1] for row in settled[-tenth:])
    threads, files = {row[2] for row in settled}, {row[3] for row in settled}
    print(
        f"RSS {100 * (last / first - 1):+.1f} % after the first frames; "
        f"threads {min(threads)} to {max(threads)}, open files {min(files)} to {max(files)}"
    )


if __name__ == "__main__":
    main()
