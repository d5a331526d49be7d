"""What a translator's training step costs: time, measured peak of memory, and what a dry run says beforehand.

    python train/speed/step_cost.py --sizes 64 128 256
    python train/speed/step_cost.py --sizes 256 --before ../before     # the same beside another checkout

Two steps at batch 1 of the paper's networks with all losses and pairs, on the CPU, in a process of its own
for each line: processor seconds of the second, and the most bytes that torch's allocator held at once,
counted by its profiler.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def measure(size: int, precision: str, settings: list[str]) -> dict[str, float]:
    """Two steps of the scenivid that this process imports. Older versions keep the program elsewhere."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.profiler import ProfilerActivity, profile

    from scenivid.training.recipe import load_recipe

    try:
        from scenivid.training.programs.translator import Recipe, TranslatorProgram, describe, open_sets
    except ImportError:
        from scenivid.training.program_translator import TranslatorProgram, describe
        from scenivid.training.translator_recipe import Recipe, open_sets
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in ("photos", "paintings", "pairs/source", "pairs/target"):
            (folder / side).mkdir(parents=True)
            for number in range(2):
                pixels = np.random.default_rng(number).integers(
                    0, 256, (size + 32,) * 2 + (3,), dtype=np.uint8
                )
                Image.fromarray(pixels).save(folder / side / f"{number}.png")
        given = [f"{key}={(folder / key).as_posix()}" for key in ("photos", "paintings", "pairs")]
        given += [f"augment.size={size}", "batch=1", "workers=0", "device=cpu", *settings]
        recipe = load_recipe(Recipe, None, [*given, f"precision={precision}"])
        said = re.search(r"about ([\d.]+) GB", describe(recipe))
        gc.collect()
        watched = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        with watched as recorded, TranslatorProgram(recipe, open_sets(recipe)) as program:
            program.step(0)
            began = time.process_time()
            program.step(1)
            seconds = time.process_time() - began
        return {"seconds": seconds, "peak": _peak(recorded) / 1e9, "told": float(said[1]) if said else 0.0}


def _peak(recorded: Any) -> int:
    balance = peak = 0
    events = recorded.profiler.kineto_results.events()
    for event in sorted(events, key=lambda event: int(event.start_ns())):
        if event.name() == "[memory]":
            balance += event.nbytes()
            peak = max(peak, balance)
    return peak


def elsewhere(root: Path, size: int, precision: str, settings: list[str]) -> dict[str, float]:
    """`measure` in a process that imports the scenivid of `root`."""
    command = [sys.executable, "-W", "ignore", __file__, "--measure", str(size), precision, *settings]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{root}: {done.stderr.strip().splitlines()[-1]}")
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--before", type=Path, help="another checkout to measure as well")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.INFO)
    if options.measure:
        size, precision, *settings = options.measure
        print(json.dumps(measure(int(size), precision, settings)))
        return
    roots = {"this": ROOT} | ({"before": options.before.resolve()} if options.before else {})
    print("| px | numbers | version | processor s | peak GB | dry run GB | off by |")
    print("|--:|---|---|--:|--:|--:|--:|")
    for size in options.sizes:
        for precision in ("fp32", "bf16"):
            for name, root in reversed(roots.items()):
                row = elsewhere(root, size, precision, options.settings)
                off = 100 * (row["told"] / row["peak"] - 1)
                print(
                    f"| {size} | {precision} | {name} | {row['seconds']:.1f} | {row['peak']:.3f} "
                    f"| {row['told']:.2f} | {off:+.0f} % |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
