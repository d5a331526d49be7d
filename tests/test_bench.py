"""`bench`: every stage at every size, in milliseconds a frame."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenivid.cli import main
from scenivid.engine import bench

CLIP = str(Path(__file__).resolve().parents[1] / "examples" / "clip.mp4")


@pytest.mark.slow
def test_every_stage_is_timed_at_every_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "SIZES", ((64, 96), (96, 128)))
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "--repeats", "1", "--device", "cpu", "--clip", CLIP, "--json"])
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert stopped.value.code == 0
    assert said["device"] == "cpu" and said["threads"] >= 1 and said["torch"]
    found = {(timing["stage"], timing["size"]) for timing in said["timings"]}
    for size in ("96x64", "128x96"):
        assert {(stage, size) for stage in ("translate", "flow", "steady")} <= found
    assert {"decord", "pyav"} == {t["what"] for t in said["timings"] if t["stage"] == "decode"}
    assert all(0 < timing["ms_per_frame"] < 60_000 for timing in said["timings"])
