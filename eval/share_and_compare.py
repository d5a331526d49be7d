"""Make films with several workers, kill one on the way, and compare the bytes with those of a single process.

    python eval/share_and_compare.py FOLDER --how workers shards ray [--kill] [-- --style cel …]

FOLDER holds some films; one of them should have several shots of more than three seconds. Every way makes the
whole folder (`batch`) and its longest film alone (`stylize`; not for shards). With --kill, one worker is
killed once some frames are done; of two shards, one process.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_CLAIM_S = "15"


def digests(folder: Path) -> dict[str, str]:
    """Of all results in a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".scenivid" not in path.parts
    }


def begin(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A command, with its progress in a file."""
    with log.open("wb") as file:
        return subprocess.Popen([sys.executable, "-m", "scenivid", *words, "--progress", "json"], stderr=file)


def frames_begun(log: Path) -> bool:
    """Whether a command has told of a frame that is done."""
    return b'"done": ' in log.read_bytes().replace(b'"done": 0', b"")


def workers_of(pid: int) -> list[int]:
    """Processes below `pid` that do the work: Python, with the style in memory."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            words = (place / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if (parent == pid and b"spawn_main" in words) or words.startswith(b"ray::_Body"):
            found.append(int(place.name))
    return sorted(found)


def run(words: list[str], log: Path, kill: str, draw: random.Random) -> bool:
    """Run a command; kill 'worker' or 'self' once frames come. Whether something was killed."""
    process = begin(words, log)
    killed = False
    while process.poll() is None:
        time.sleep(0.2)
        if kill and not killed and frames_begun(log):
            time.sleep(draw.uniform(0, 3))
            victims = [process.pid] if kill == "self" else workers_of(process.pid)
            if victims:
                os.kill(draw.choice(victims), signal.SIGKILL)
                killed = True
    if process.returncode and not (killed and kill == "self"):
        raise SystemExit(f"{' '.join(words)} failed:\n{log.read_text()[-2000:]}")
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--how", nargs="+", choices=["workers", "shards", "ray"], default=["workers", "shards"]
    )
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--address", default="local", help="of a Ray cluster that runs on this machine")
    parser.add_argument("--seed", type=int, default=1)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    args, options = parser.parse_args(words[:end]), words[end + 1 :]
    draw = random.Random(args.seed)
    films = sorted(path for path in args.folder.iterdir() if path.is_file())
    longest = max(films, key=lambda path: path.stat().st_size)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        run(["batch", str(args.folder), str(place / "single"), *options], place / "log", "", draw)
        wanted = digests(place / "single")
        for how in args.how:
            crew = {"workers": ["--workers", "2"], "ray": ["--workers", "2", "--ray", args.address]}.get(
                how, []
            )
            output = place / how
            if how == "shards":
                output.mkdir()
                words = ["batch", str(args.folder), str(output), "--claim-expires", _CLAIM_S, *options]
                other = begin([*words, "--shard", "2/2"], place / "other")
                killed = run([*words, "--shard", "1/2"], place / "log", "self" if args.kill else "", draw)
                if other.wait():
                    raise SystemExit((place / "other").read_text()[-2000:])
            else:
                words = ["batch", str(args.folder), str(output), *crew, *options]
                killed = run(words, place / "log", "worker" if args.kill else "", draw)
            print(f"{how}, {len(films)} files, killed {int(killed)}:", _verdict(digests(output) == wanted))
            if how != "shards":
                alone = place / f"{how}{longest.suffix}"
                words = ["stylize", str(longest), str(alone), *crew, *options]
                killed = run(words, place / "log", "worker" if args.kill else "", draw)
                same = hashlib.sha256(alone.read_bytes()).hexdigest() == wanted[longest.name]
                print(f"{how}, one film, killed {int(killed)}:", _verdict(same))


def _verdict(same: bool) -> str:
    return "equal" if same else "DIFFERENT"


if __name__ == "__main__":
    main()
