"""Stop a run, take it up again, and compare the bytes with those of an uninterrupted run.

    python eval/kill_and_resume.py CLIP --how KILL TERM full mux --times 20 5 5 5 [-- --style cel …]

KILL, TERM and INT are signals at random moments; 'full' lets files grow no further than a random size, as a
full disk does; 'mux' kills while the finished pieces are put together. Pieces are about ten seconds, but at
least 48 frames: use a clip of some hundred frames. `--suffix ""` makes a folder of frames, and `--workers 2`
has the runs that are stopped and resumed shared out.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HOWS = ("KILL", "TERM", "INT", "full", "mux")


@dataclass(frozen=True)
class Whole:
    """The uninterrupted run."""

    digest: str
    seconds: float
    bytes: int
    """Of its largest file."""


def begin(
    clip: Path, output: Path, more: list[str], before: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Begin a run; `before` is called in the new process."""
    command = [sys.executable, "-m", "scenivid", "stylize", str(clip), str(output), "--quiet", *more]
    return subprocess.Popen(command, preexec_fn=before, stderr=subprocess.DEVNULL if before else None)


def digest(path: Path) -> str:
    """Of a file, or of all files in a folder with their names."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    parts = [
        f"{file.name if path.is_dir() else ''} {hashlib.sha256(file.read_bytes()).hexdigest()}"
        for file in files
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def stop(how: str, clip: Path, output: Path, more: list[str], whole: Whole, draw: random.Random) -> str:
    """Begin a run and have it stopped; says where."""
    if how == "full":
        size = round(draw.uniform(0.02, 0.98) * whole.bytes)

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing then fails, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        begin(clip, output, more, limit).wait()
        return f"at {size} of {whole.bytes} bytes"
    process = begin(clip, output, more)
    if how == "mux":
        work = output.with_name(f".{output.name}.work")
        wanted, said = draw.uniform(0.02, 0.9) * whole.bytes, "too late"
        while process.poll() is None:
            size = sum(_size(part) for part in work.glob(".*.part"))
            if size > max(4096, wanted):
                process.kill()
                said = f"with {size} of {whole.bytes} bytes put together"
                break
            time.sleep(0.0005)
        process.wait()
        return said
    moment = draw.uniform(0.1, 0.95) * whole.seconds
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.Signals[f"SIG{how}"])
        process.wait()
    return f"at {moment:.1f} of {whole.seconds:.1f} s"


def pieces_in(work: Path) -> int:
    """Pieces that are finished."""
    return sum(path.read_text().count('"number"') for path in work.rglob("journal.json"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--how", nargs="+", choices=HOWS, default=["KILL"])
    parser.add_argument("--times", nargs="+", type=int, default=[5], help="for each, or one for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--suffix", default=".mp4", help="of the output; empty for a folder of frames")
    parser.add_argument("--workers", default="1")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    args, options = parser.parse_args(words[:end]), words[end + 1 :]
    times = args.times * len(args.how) if len(args.times) == 1 else args.times
    draw = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path, output = folder / f"whole{args.suffix}", folder / f"parts{args.suffix}"
        began = time.monotonic()
        if begin(args.clip, path, options).wait():
            raise SystemExit("the uninterrupted run failed")
        largest = max(map(_size, path.iterdir())) if path.is_dir() else _size(path)
        whole = Whole(digest(path), time.monotonic() - began, largest)
        more = ["--resume", "--workers", args.workers, *options]
        for how, count in zip(args.how, times, strict=True):
            equal = later = 0
            for number in range(count):
                where = stop(how, args.clip, output, more, whole, draw)
                pieces = pieces_in(folder / f".{output.name}.work")
                later += pieces > 0
                if not output.exists() and begin(args.clip, output, more).wait():
                    raise SystemExit(f"{how} {number + 1}: the resumed run failed")
                same = digest(output) == whole.digest
                equal += same
                verdict = "equal" if same else "DIFFERENT"
                print(f"{how} {number + 1} {where}, {pieces} pieces: {verdict}", flush=True)
                if output.is_dir():
                    shutil.rmtree(output)
                else:
                    output.unlink()
            print(f"{how}: {equal} of {count} equal; {later} went on after at least one piece", flush=True)


if __name__ == "__main__":
    main()
