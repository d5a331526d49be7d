"""What 'auto' becomes is the same for all runs of a batch."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import make_clip

from scenivid.batch.jobs import find_jobs, run_jobs
from scenivid.batch.records import FOLDER
from scenivid.engine import StylizeSettings, chain
from scenivid.engine.loading.agreed import agree
from scenivid.engine.made import Made
from scenivid.engine.segments.work import Work


def test_the_first_choice_is_everybodys(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert agree(folder, "engine", "onnx") == "onnx"
    assert agree(folder, "engine", "torch") == "onnx"
    assert agree(folder, "flow", "dis") == "dis"
    assert agree(None, "engine", "torch") == "torch"
    assert [path.suffix for path in folder.iterdir()] == [".json"] * 2


def test_who_chooses_at_the_same_time_gets_the_same(tmp_path: Path) -> None:
    start, got = threading.Barrier(8), []

    def choose(number: int) -> None:
        start.wait()
        got.append(agree(tmp_path, "engine", str(number)))

    threads = [threading.Thread(target=choose, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8 and len(set(got)) == 1


def test_where_nothing_can_be_kept_each_chooses(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert agree(tmp_path / "file", "engine", "torch") == "torch"


def test_a_batch_paints_as_its_first_run_chose(
    tmp_path: Path, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        make_clip(tmp_path / "in" / f"{name}.mkv")
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", StylizeSettings(style=style, device="cpu"))
    agree(tmp_path / "out" / FOLDER, f"engine of {style} at 96x64", "torch")
    agree(tmp_path / "out" / FOLDER, f"precision of {style}", "fp32")
    engines = []
    real = chain.painter_for

    def spy(*given: object) -> object:
        made = real(*given)  # type: ignore[arg-type]
        engines.append((made[2], given[1].precision))  # type: ignore[attr-defined]
        return made

    monkeypatch.setattr(chain, "painter_for", spy)
    assert [one.status for one in run_jobs(jobs)] == ["done", "done"]
    assert engines == [("torch", "fp32")] * 2


def test_precision_and_tile_are_pinned_for_who_goes_on(tmp_path: Path) -> None:
    settled = {"engine": "torch", "precision": "bf16", "tile": 512}
    work = Work(tmp_path, Made("a", "b", {}), settled=settled)
    pinned = work.pinned(StylizeSettings())
    assert (pinned.engine, pinned.precision, pinned.tile) == ("torch", "bf16", 512)
    work.settled = {"engine": "own", "precision": "own"}
    assert work.pinned(StylizeSettings()) == StylizeSettings()
    assert work.pinned(replace(StylizeSettings(), precision="fp32")).precision == "fp32"
