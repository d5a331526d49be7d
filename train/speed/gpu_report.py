"""What a machine with a GPU shows: the tests that need one, `bench`, twenty minutes of the chain at 256 px.

    make gpu                                          # with the open data in data/open
    python train/speed/gpu_report.py --photos photos/ --anime paintings/ --out out/gpu

Writes OUT/report.md, OUT/report.json, what each part said (OUT/*.txt), and the chain's run (OUT/chain).
A part that fails is told and the next one begins. Without a GPU it says so, and ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
NO_GPU = "no GPU was found: torch {torch} sees no CUDA device, so nothing was measured"
_TAIL = 30


@dataclass(frozen=True)
class Part:
    """One thing that was run."""

    name: str
    command: str
    status: int
    seconds: float
    file: str
    """What it said."""


def commands(out: Path, photos: Path, anime: Path, minutes: float) -> dict[str, list[str]]:
    """What is run, by name."""
    scenivid = [sys.executable, "-m", "scenivid"]
    return {
        "tests": [sys.executable, "-m", "pytest", "-k", "cuda or gpu"],
        "bench": [*scenivid, "bench", "--device", "cuda", "--json"],
        "chain": [
            *scenivid, "train", "chain", "--preset", "256", "--photos", str(photos), "--anime", str(anime),
            "--out", str(out / "chain"), "--minutes", f"{minutes:g}", "--progress", "plain",
        ],
    }  # fmt: skip


def run(name: str, command: list[str], out: Path) -> Part:
    """One part, its words in OUT/NAME.txt."""
    print(f"{name}: {' '.join(command[1:])}", flush=True)
    began = time.monotonic()
    with (out / f"{name}.txt").open("w", encoding="utf-8") as file:
        environment = os.environ | {"SCENIVID_REQUIRE_CUDA": "1"}
        status = subprocess.run(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    seconds = time.monotonic() - began
    return Part(name, " ".join(command[1:]), status.returncode, seconds, f"{name}.txt")


def machine() -> dict[str, str]:
    """The card and what drives it."""
    memory = torch.cuda.get_device_properties(0).total_memory
    return {
        "card": f"{torch.cuda.device_count()} × {torch.cuda.get_device_name(0)}",
        "memory": f"{memory / 2**30:.0f} GiB each",
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
    }


def write(out: Path, facts: dict[str, str], parts: list[Part]) -> Path:
    """report.json and report.md."""
    out.mkdir(parents=True, exist_ok=True)
    held = {"machine": facts, "parts": [asdict(part) for part in parts]}
    (out / "report.json").write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
    lines = ["# GPU report", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    for part in parts:
        told = "passed" if part.status == 0 else f"**failed with status {part.status}**"
        lines += [f"## {part.name}: {told}, {part.seconds / 60:.1f} minutes", "", f"`{part.command}`", ""]
        words = (out / part.file).read_text(encoding="utf-8", errors="replace").splitlines()
        lines += ["```", *words[-_TAIL:], "```", ""]
    if (out / "chain" / "chain.html").exists():
        lines += ["The chain's page: [chain/chain.html](chain/chain.html)", ""]
    (out / "report.md").write_text("\n".join(lines), encoding="utf-8")
    return out / "report.md"


def main(arguments: list[str] | None = None) -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--out", type=Path, default=Path("out/gpu"))
    parser.add_argument("--photos", type=Path, default=Path("data/open/photos"))
    parser.add_argument("--anime", type=Path, default=Path("data/open/paintings"))
    parser.add_argument("--minutes", type=float, default=20, help="for the chain")
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    if not torch.cuda.is_available():
        words = NO_GPU.format(torch=torch.__version__)
        page = write(out, {"GPU": words}, [])
        print(f"{words}; {page} says the same", file=sys.stderr)
        return 1
    missing = [str(folder) for folder in (options.photos, options.anime) if not folder.is_dir()]
    if missing:
        print(
            f"not there: {', '.join(missing)}; python train/prepare_open_data.py data/open", file=sys.stderr
        )
        return 1
    out.mkdir(parents=True, exist_ok=True)
    wanted = commands(out, options.photos.resolve(), options.anime.resolve(), options.minutes)
    parts = [run(name, command, out) for name, command in wanted.items()]
    print(write(out, machine(), parts))
    return max(abs(part.status) for part in parts) and 1


if __name__ == "__main__":
    sys.exit(main())
