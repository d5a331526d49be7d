"""Spoil thousands of files, run the command line on each, and say what should never happen.

    python eval/fuzz.py --cases 3000 --seed 1 --out runs/fuzz

Every case runs in a process of its own: a signal, a hang, a traceback, a status other than 0 and 1, a file
left over, or frames that are lost without a word is a finding. The file and what was said are kept in --out.
`shortened` counts videos that give fewer frames and bear no sign of it: what was cut off, or out of an index,
cleanly. That nobody can know.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
from fuzz_cases import Case, case, sound_files

import scenivid.engine
import scenivid.styles.zoo  # noqa: F401 (loaded once, before the processes part)
from scenivid.cli import main as command_line
from scenivid.machine import aside

SHORTENED = "shortened"
_FEWER_SAID = (
    "lost",
    "damage",
    "incomplete",
    "missing",
    "could not be decoded",
    "left out",
    "ends",
    "skipped",
)


@dataclass(frozen=True)
class Outcome:
    """How one case ended."""

    finding: str
    """What should not have happened; empty for nothing."""
    status: int
    said: str
    seconds: float


def main() -> int:
    """Run the cases; 1 if anything was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="begin with this case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=("video", "still", "weights", "network"), help="only these")
    parser.add_argument("--patience", type=float, default=60, help="seconds until a case counts as hanging")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="fuzz-") as scratch:
        (Path(scratch) / "sound").mkdir()
        sound = sound_files(Path(scratch) / "sound")
        sound = [file for file in sound if chosen.kind in (None, file.kind)]
        tally: Counter[str] = Counter()
        found = 0
        for index in range(chosen.first, chosen.first + chosen.cases):
            made = case(sound, chosen.seed, index)
            outcome = run_case(made, Path(scratch) / f"{index}", chosen.patience)
            tally[f"{made.kind}: {outcome.finding or ('refused' if outcome.status else 'read')}"] += 1
            if outcome.finding:
                found += outcome.finding != SHORTENED
                keep(made, outcome, chosen.out / f"{chosen.seed}-{index}")
                print(f"{index} {made.name} {made.how}: {outcome.finding}", flush=True)
    for line, count in sorted(tally.items()):
        print(f"{count:6d} {line}")
    print(f"{sum(tally.values())} cases, seed {chosen.seed}, {found} findings")
    return int(found > 0)


def run_case(made: Case, folder: Path, patience: float) -> Outcome:
    """Run the command line on a case in a process of its own and look at what it leaves."""
    folder.mkdir()
    try:
        source = folder / made.name
        source.write_bytes(made.data)
        words, output = words_for(made, source, folder)
        before = set(folder.rglob("*"))
        began = time.monotonic()
        status, said = _in_a_child(words, folder.with_name(folder.name + ".said"), patience, folder)
        seconds = time.monotonic() - began
        left = set(folder.rglob("*")) - before - {output}
        left -= {path for path in left if "models" in path.relative_to(folder).parts and status == 0}
        left -= {folder / "models"}
        finding = _judge(made, status, said, left, output)
        return Outcome(finding, status, said, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def words_for(made: Case, source: Path, folder: Path) -> tuple[list[str], Path]:
    """The command for a kind of file, and where its result goes."""
    if made.kind == "weights":
        return ["styles", "import", str(source), "--as", "x"], folder / "models"
    if made.kind == "network":
        cv2.imwrite(str(folder / "in.png"), np.full((40, 40, 3), 90, np.uint8))
        words = [
            "stylize",
            str(folder / "in.png"),
            str(folder / "out.png"),
            "--style",
            str(source),
            "--quiet",
        ]
        return words, folder / "out.png"
    output = folder / ("out.png" if made.kind == "still" else "out.mp4")
    return ["stylize", str(source), str(output), "--style", "none", "--json", "--quiet"], output


def keep(made: Case, outcome: Outcome, folder: Path) -> None:
    """Keep a finding for somebody to look into."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / made.name).write_bytes(made.data)
    (folder / "said.txt").write_text(
        f"{made.how}: {outcome.finding}\nstatus {outcome.status}, {outcome.seconds:.1f} s\n{outcome.said}"
    )


def _judge(made: Case, status: int, said: str, left: set[Path], output: Path) -> str:
    if status < 0:
        return "hang" if status == -signal.SIGKILL else f"signal {-status}"
    if "Traceback (most recent call last)" in said or "a fault of scenivid" in said:
        return "traceback"
    if status not in (0, 1):
        return f"status {status}"
    if left or (status == 1 and output.is_file()):
        return "left over: " + ", ".join(sorted(path.name for path in left | {output}))
    if status == 1 and sum(line.startswith("error: ") for line in said.splitlines()) != 1:
        return "no error said"
    if made.kind == "video" and status == 0:
        report = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
        words = " ".join(report["notes"])
        if report["frames"] < made.frames and not any(word in words for word in _FEWER_SAID):
            held = int(said.rpartition("announced ")[2])
            return SHORTENED if held <= report["frames"] else "frames lost without a word"
    return ""


def _in_a_child(words: list[str], log: Path, patience: float, home: Path) -> tuple[int, str]:
    """Exit status (negative for a signal, -9 for a hang) and everything said."""
    child = os.fork()
    if child == 0:
        _run(words, log, home)
    deadline = time.monotonic() + patience
    while True:
        ended, state = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            _, state = os.waitpid(child, 0)
            break
        time.sleep(0.01)
    said = log.read_text(errors="replace") if log.exists() else ""
    log.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(state), said


def _run(words: list[str], log: Path, home: Path) -> None:
    """In the child: the command line, its words in a file, and no way back."""
    status = 70
    try:
        os.setsid()
        file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (whatever stood there before)
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
        os.environ["SCENIVID_HOME"] = str(home)
        try:
            command_line(words)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 70
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(2, f"\nannounced {_announced(words[1])}".encode())
        waiting = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if any(not thread.daemon for thread in threading.enumerate() if thread.name in waiting):
            os.write(2, f"Traceback (most recent call last): threads {waiting}".encode())
        aside.discard_all()
    except BaseException as error:
        os.write(2, f"Traceback (most recent call last): {error!r}".encode())
    os._exit(status)


def _announced(path: str) -> int:
    """Frames that the file says or shows to have; many where the demuxer meets damage."""
    try:
        with av.open(path) as file:
            video = file.streams.video[0]
            packets = [packet for packet in file.demux(video) if packet.size]
            rate = float(video.average_rate or 0)
            lasts = float((video.duration or 0) * (video.time_base or 0))
            announced = max(len(packets), video.frames, round(lasts * rate))
    except (av.FFmpegError, ValueError, IndexError):
        return 1 << 30
    return 1 << 30 if any(packet.is_corrupt for packet in packets) else announced


if __name__ == "__main__":
    sys.exit(main())
