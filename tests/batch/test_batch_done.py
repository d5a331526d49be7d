"""Batches that go on: what counts as done, whose work a job is, and what others have put there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pretended_jobs import pretend

from scenivid.batch import jobs as batch
from scenivid.batch.jobs import Job, find_jobs, run_jobs
from scenivid.batch.records import record_path
from scenivid.engine import StylizeSettings
from scenivid.machine import locks

SETTINGS = StylizeSettings(style="none", device="cpu")


def test_done_means_from_this_source_with_these_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch)
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.mp4").write_text("one")

    def again(settings: StylizeSettings = SETTINGS) -> tuple[str, str]:
        (result,) = run_jobs(find_jobs(source, out, settings))
        return result.status, result.message

    assert again() == ("done", "")
    assert again() == ("skipped", "exists already")
    assert again(replace(SETTINGS, batch=4, device="auto")) == ("skipped", "exists already")
    status, message = again(replace(SETTINGS, strength=0.5))
    assert status == "failed" and "strength was 1.0, is 0.5" in message and "--overwrite" in message
    (source / "a.mp4").write_text("another")
    status, message = again()
    assert status == "failed" and "the source has changed" in message
    assert again(replace(SETTINGS, overwrite=True)) == ("done", "")
    assert again() == ("skipped", "exists already")
    (out / "a.mp4").write_text("somebody's own")
    assert again()[0] == "failed" and "changed since" in again()[1]
    (out / "a.mp4").unlink()
    assert again() == ("done", "")


def test_what_others_have_put_there_is_neither_replaced_nor_taken_for_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = pretend(monkeypatch)
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir(), out.mkdir()
    (source / "a.mp4").write_text("one")
    (out / "a.mp4").write_text("holiday")
    (result,) = run_jobs(find_jobs(source, out, SETTINGS))
    assert result.status == "failed" and "not made by this batch" in result.message and not ran
    assert (out / "a.mp4").read_text() == "holiday"


def test_a_job_killed_after_its_output_got_its_name_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.mp4").write_text("one")
    ran = pretend(monkeypatch)
    jobs = find_jobs(source, out, SETTINGS)
    write, calls = batch.write_record, []

    def killed(path: Path, record: object) -> None:
        calls.append(record)
        if len(calls) > 1:
            raise KeyboardInterrupt
        write(path, record)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "write_record", killed)
    with pytest.raises(KeyboardInterrupt):
        list(run_jobs(jobs))
    monkeypatch.setattr(batch, "write_record", write)
    (result,) = run_jobs(jobs)
    assert result.status == "skipped" and len(ran) == 1


def test_two_batches_over_one_tree_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = pretend(monkeypatch)
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / "in" / name).write_text(name)
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)
    first, second = run_jobs(jobs), run_jobs(jobs)
    with locks.hold(_lock(jobs[0])):
        results = [next(second)]  # b: a is held by somebody else
    results += [next(first), *second, *first]  # once the lock is gone, what was held is looked at again
    assert sorted(ran) == [job.source for job in jobs]
    assert sorted(r.status for r in results) == ["done"] * 3 + ["skipped"] * 3


def test_a_job_that_another_run_is_at_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = pretend(monkeypatch)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_text("a")
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)
    with locks.hold(_lock(jobs[0])) as mine:
        assert mine
        (result,) = run_jobs(jobs)
    assert (result.status, result.message) == ("skipped", "another run is at it") and not ran
    assert not _lock(jobs[0]).exists()


def test_a_damaged_record_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_text("a")
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)
    list(run_jobs(jobs))
    record = _lock(jobs[0]).with_suffix(".json")
    assert json.loads(record.read_text())["done"]
    for text in ("", "{", "[" * 100_000, '{"done": 3}', '{"what": 1}'):
        record.write_text(text)
        (result,) = run_jobs(jobs)
        assert result.status == "failed" and "not made by this batch" in result.message


def _lock(job: Job) -> Path:
    assert job.records is not None
    return record_path(job.records, job.output).with_suffix(".lock")
