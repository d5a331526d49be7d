"""Processes that share a batch through files: each job is done once, and a dead one's jobs are taken up."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pretended_jobs import frames, video
from shots_clip import make_film

from scenivid.batch import jobs as batch
from scenivid.batch import shards
from scenivid.batch.jobs import Result, find_jobs, run_jobs
from scenivid.batch.records import FOLDER, record_path
from scenivid.batch.shards import Claims, Shard, run_shard
from scenivid.engine import StylizeSettings, passage
from scenivid.engine.segments.work import work_folder
from scenivid.engine.shots import Pieces
from scenivid.errors import ConfigError, OutputError

SETTINGS = StylizeSettings(style="none", device="cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c", "d"):
        video(tmp_path / "in" / f"{name}.mp4")
    frames(tmp_path / "in" / "e", "1.png", "2.png")
    return tmp_path / "in"


def test_a_share_begins_with_its_own_jobs_and_goes_on_with_the_next_ones(
    folder: Path, tmp_path: Path
) -> None:
    jobs = find_jobs(folder, tmp_path / "out", SETTINGS)
    orders = ["".join(job.source.stem for job in Shard(number, 2).order(jobs)) for number in (1, 2)]
    assert orders == ["acebd", "bdace"]
    for wrong in ("0/2", "3/2", "1", "a/b", "1/0"):
        with pytest.raises(ConfigError, match="is no share"):
            Shard.parse(wrong)


def test_two_shares_do_every_job_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = find_jobs(folder, tmp_path / "out", SETTINGS)
    results: list[list[Result]] = [[], []]

    def run(number: int) -> None:
        results[number - 1] += run_shard(jobs, Shard(number, 2), Claims(5))

    threads = [threading.Thread(target=run, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = sorted(one.source.stem for some in results for one in some if one.status == "done")
    assert done == ["a", "b", "c", "d", "e"] and all(len(some) == 5 for some in results)
    left = {path.name for path in (tmp_path / "out" / FOLDER).iterdir() if path.suffix != ".json"}
    assert not left


def test_a_claim_keeps_others_away_until_it_expires(tmp_path: Path) -> None:
    record = record_path(tmp_path / FOLDER, tmp_path / "a.mp4")
    record.parent.mkdir()
    dead = record.with_suffix(".claim.0")
    dead.write_text("elsewhere 1\n")
    with Claims(60)(record) as check:
        assert check is None
    os.utime(dead, (time.time() - 61,) * 2)
    with Claims(60)(record) as check:
        assert check is not None
        check()
        assert record.with_suffix(".claim.1").exists()
        record.with_suffix(".claim.2").write_text("elsewhere 2\n")  # ours has been taken for dead
        with pytest.raises(OutputError, match="taken this job over"):
            check()
    assert [path.name for path in record.parent.glob("*.claim.*")] == [f"{record.stem}.claim.2"]


def test_a_living_claim_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_path(tmp_path / FOLDER, tmp_path / "a.mp4")
    touched = threading.Event()
    monkeypatch.setattr(shards.os, "utime", lambda path: touched.set())
    with Claims(0.06)(record):
        assert touched.wait(30)


def test_what_a_dead_process_was_at_is_taken_up_where_it_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passage, "piece_lengths", lambda rate: Pieces(10, 6))
    (tmp_path / "in").mkdir()
    make_film(tmp_path / "in" / "film.mp4")
    settings = replace(SETTINGS, consistency=0.0)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert [one.status for one in run_jobs(find_jobs(tmp_path / "in", whole, settings))] == ["done"]
    (job,) = find_jobs(tmp_path / "in", parts, settings)

    class Killed(BaseException):
        """Nothing tidies up after it."""

    def dying(index: int, job: batch.Job) -> object:
        def tell(done: int, expected: int | None) -> None:
            if done == 25:
                raise Killed

        return tell

    with monkeypatch.context() as patch:
        patch.setattr("scenivid.machine.aside.discard", lambda path: None)
        record = record_path(job.records or parts, job.output)
        now = batch.Made.of(job.source, settings, None)
        with pytest.raises(Killed):
            list(run_shard([job], Shard(1, 1), Claims(), dying))  # type: ignore[arg-type]
    batch.write_record(record, batch.Record(begun=now))
    assert work_folder(job.output).is_dir()
    told: list[int] = []
    (result,) = run_shard([job], Shard(1, 1), Claims(), lambda *_: lambda done, expected: told.append(done))
    assert result.status == "done" and told[0] == 21
    assert (whole / "film.mp4").read_bytes() == (parts / "film.mp4").read_bytes()
