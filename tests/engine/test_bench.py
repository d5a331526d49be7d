"""`bench`: every stage at every size, whole runs, and yardsticks of the same run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from scenivid.cli import main
from scenivid.engine.bench import measure
from scenivid.engine.bench.animegan import Generator
from scenivid.engine.bench.clips import make_clip
from scenivid.engine.bench.yardsticks import ffmpeg_alone, run
from scenivid.video.open import open_video


@pytest.mark.slow
def test_everything_is_measured_at_every_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(measure, "SIZES", ((64, 96), (96, 128)))
    monkeypatch.setattr(measure, "_QUICK", 2)
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "--quick", "--device", "cpu", "--json", "--plot", str(tmp_path / "curve.svg")])
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert stopped.value.code == 0
    assert said["machine"]["device"] == "cpu" and said["machine"]["cores"] >= 1
    found = {(timing["stage"], timing["size"]) for timing in said["timings"] if timing["ms_per_frame"] > 0}
    stages = ("decode", "flow", "translate", "steady", "finish", "encode")
    assert {(stage, size) for stage in stages for size in ("96x64", "128x96")} <= found
    assert [one["size"] for one in said["runs"]] == ["96x64", "128x96"]
    assert all(one["ms_per_frame"] > 0 and one["peak_mb"] > 100 for one in said["runs"])
    assert all(timing["plane_copies"] > 0 for timing in said["timings"])
    drawn = (tmp_path / "curve.svg").read_text()
    assert drawn.startswith("<svg") and drawn.count("<polyline") == 2 + len(stages)
    assert {stick["unit"] for stick in said["yardsticks"]} == {"GFLOP/s", "GB/s"}


def test_clips_to_measure_with_are_the_same_every_time(tmp_path: Path) -> None:
    pictures = []
    for name in ("one.mp4", "other.mp4"):
        with open_video(make_clip(tmp_path / name, 64, 96, 4)) as reader:
            pictures.append(torch.cat([clip.pixels for clip in reader.clips(2)]))
    assert torch.equal(*pictures) and pictures[0].shape == (4, 3, 64, 96)
    assert (pictures[0][1:].float() - pictures[0][:-1].float()).abs().mean() > 1
    assert ffmpeg_alone(tmp_path / "one.mp4") > 0


def test_a_program_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="failed"):
        run(["python", "-c", "raise SystemExit('broken')"])


def test_what_a_program_takes_doesnt_include_what_we_have() -> None:
    ours = bytearray(b"x" * (300 << 20))
    used = run([sys.executable, "-c", "sum(range(10**6))"])
    assert len(ours) >> 20 == 300 and 0 < used.peak_mb < 100 and used.cpu_s > 0


def test_the_yardstick_s_generator_keeps_the_size() -> None:
    with torch.inference_mode():
        assert Generator().eval()(torch.rand(1, 3, 32, 48)).shape == (1, 3, 32, 48)
