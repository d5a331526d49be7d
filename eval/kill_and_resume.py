"""Kill a run at random moments, take it up again, and compare the bytes with those of an uninterrupted run.

    python eval/kill_and_resume.py CLIP --kills 20 --seed 1 [--signal KILL|TERM] [-- --style cel …]

Pieces are about ten seconds, but at least 48 frames: use a clip of some hundred frames.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def stylize(clip: Path, output: Path, more: list[str]) -> subprocess.Popen[bytes]:
    """Begin a run."""
    command = [sys.executable, "-m", "scenivid", "stylize", str(clip), str(output), "--quiet", *more]
    return subprocess.Popen(command)


def digest(path: Path) -> str:
    """Of a file, or of all files in a folder with their names."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    parts = [
        f"{file.name if path.is_dir() else ''} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        for file in files
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signal", choices=["KILL", "TERM", "INT"], default="KILL")
    parser.add_argument("--suffix", default=".mp4", help="of the output; empty for a folder of frames")
    parser.add_argument("more", nargs="*", help="options of stylize, after --")
    args = parser.parse_args()
    number = signal.Signals[f"SIG{args.signal}"]
    draw = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole = folder / f"whole{args.suffix}"
        began = time.monotonic()
        if stylize(args.clip, whole, args.more).wait():
            raise SystemExit("the uninterrupted run failed")
        seconds, wanted, equal, later = time.monotonic() - began, digest(whole), 0, 0
        for kill in range(args.kills):
            output = folder / f"parts{args.suffix}"
            process = stylize(args.clip, output, ["--resume", *args.more])
            moment = draw.uniform(0.1, 0.95) * seconds
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
                process.wait()
            work = folder / f".parts{args.suffix}.work" / "journal.json"
            pieces = work.read_text().count('"number"') if work.is_file() else 0
            later += pieces > 0
            if not output.exists() and stylize(args.clip, output, ["--resume", *args.more]).wait():
                raise SystemExit(f"kill {kill}: the resumed run failed")
            same = digest(output) == wanted
            equal += same
            verdict = "equal" if same else "DIFFERENT"
            print(f"kill {kill + 1} at {moment:.1f} of {seconds:.1f} s, {pieces} pieces: {verdict}")
            shutil.rmtree(output) if output.is_dir() else output.unlink()
        print(f"{equal} of {args.kills} equal; {later} went on after at least one piece")


if __name__ == "__main__":
    main()
