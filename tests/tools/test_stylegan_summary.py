"""The summary of a chain of runs: small files, only of what is there."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
from scripts import load_script

chain = load_script("train/summarise_chain.py")


def test_runs_are_condensed_and_absent_ones_left_out(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    (runs / "stylegan" / "samples").mkdir(parents=True)
    lines = [{"step": 10, "g_loss": 1.0, "fd_effnet": 900.0}, {"step": 20, "g_loss": 0.5}]
    (runs / "stylegan" / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), dtype=np.uint8)
    cv2.imwrite(str(runs / "stylegan" / "samples" / "0000010.png"), noise)
    (runs / "pairs").mkdir()
    (runs / "pairs" / "calibration.json").write_text('{"threshold": 0.5}')
    (runs / "pairs" / "manifest.jsonl").write_text('{"kept": true}\n{"kept": false}\n')
    names = {path.name for path in chain.summarise(runs, out)}
    assert names == {"stylegan.csv", "curves.png", "stylegan-samples.jpg", "pairs-calibration.json"}
    with (out / "stylegan.csv").open() as file:
        assert list(csv.reader(file))[1:] == [["10", "900", "1"], ["20", "", "0.5"]]
    assert (out / "stylegan-samples.jpg").stat().st_size <= chain.LARGEST  # noise is the worst case
    facts = json.loads((out / "pairs-calibration.json").read_text())
    assert facts == {"threshold": 0.5, "candidates": 2, "kept": 1}
