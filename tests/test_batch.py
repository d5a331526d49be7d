"""Batches: mirrored names, done files skipped, a bad file reported and the rest finished."""

from __future__ import annotations

import json
import os
import pickle
import time
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenivid import jobs as batch
from scenivid import locks
from scenivid.engine import Report, StylizeSettings
from scenivid.errors import Cancelled, InputError, OutputError
from scenivid.jobs import Job, find_jobs, run_jobs
from scenivid.records import record_path

SETTINGS = StylizeSettings(style="none", device="cpu")


def _video(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), "rgb24")))
        file.mux(stream.encode())


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Two videos, one frame folder, one bad file and things to pass over."""
    folder = tmp_path / "shots"
    _video(folder / "a.mp4")
    _video(folder / "deep" / "b.avi")
    (folder / "frames").mkdir()
    for index in (1, 2, 10):
        cv2.imwrite(str(folder / "frames" / f"{index}.png"), np.full((16, 16, 3), index, np.uint8))
    (folder / "bad.mp4").write_text("not a video")
    (folder / "notes.txt").write_text("pass over")
    (folder / ".hidden.mp4").write_text("pass over")
    return folder


def test_names_are_mirrored_and_other_files_passed_over(shots: Path, tmp_path: Path) -> None:
    jobs = find_jobs(shots, tmp_path / "out", SETTINGS)
    assert [str(job.output.relative_to(tmp_path / "out")) for job in jobs] == [
        "a.mp4", "bad.mp4", "deep/b.mp4", "frames",
    ]  # fmt: skip


def test_one_bad_file_is_reported_and_the_rest_finished(shots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = list(run_jobs(find_jobs(shots, out, SETTINGS)))
    assert {result.source.name: result.status for result in results} == {
        "a.mp4": "done", "b.avi": "done", "frames": "done", "bad.mp4": "failed",
    }  # fmt: skip
    failed = next(result for result in results if result.status == "failed")
    assert "bad.mp4" in failed.message and "\n" not in failed.message
    assert not (out / "bad.mp4").exists()
    assert len(list((out / "frames").iterdir())) == 3


def test_what_is_done_is_skipped_and_what_failed_is_tried_again(shots: Path, tmp_path: Path) -> None:
    jobs = find_jobs(shots, tmp_path / "out", SETTINGS)
    list(run_jobs(jobs))
    statuses = [result.status for result in run_jobs(jobs)]
    assert sorted(statuses) == ["failed", "skipped", "skipped", "skipped"]


def test_two_sources_never_share_an_output(shots: Path, tmp_path: Path) -> None:
    _video(shots / "a.avi")
    outputs = [job.output for job in find_jobs(shots, tmp_path / "out", SETTINGS)]
    assert len(set(outputs)) == len(outputs)


def test_an_output_inside_the_input_isnt_taken_for_input(shots: Path) -> None:
    out = shots / "out"
    list(run_jobs(find_jobs(shots, out, SETTINGS)))
    assert all(out not in job.source.parents for job in find_jobs(shots, out, SETTINGS))


def test_a_job_can_travel(shots: Path, tmp_path: Path) -> None:
    job = find_jobs(shots, tmp_path / "out", SETTINGS)[0]
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301


def test_nothing_to_do_and_input_as_output_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no videos"):
        find_jobs(tmp_path, tmp_path / "out", SETTINGS)
    with pytest.raises(OutputError, match="input itself"):
        find_jobs(tmp_path, tmp_path, SETTINGS)


def _frames(folder: Path, *names: str, value: int = 7) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / name), np.full((16, 16, 3), value, np.uint8))


def _pretend(monkeypatch: pytest.MonkeyPatch, fails: dict[str, BaseException] | None = None) -> list[Path]:
    """In place of the engine: writes a line, or raises what is set for the source's name."""
    ran: list[Path] = []

    def stylize(source: Path, output: Path, settings: StylizeSettings, *_: object) -> Report:
        ran.append(source)
        if fails and source.name in fails:
            raise fails[source.name]
        output.write_text(f"{source}")
        return Report(1, 0.1, 10.0, output, {}, {}, ())

    monkeypatch.setattr(batch, "stylize", stylize)
    return ran


def test_frame_folders_within_frame_folders_are_all_done_also_after_a_repair(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    _frames(source / "outer", "1.png", "2.png")
    _frames(source / "outer" / "inner", "1.png")
    (source / "outer" / "2.png").write_text("damaged")
    jobs = find_jobs(source, out, SETTINGS)
    assert {r.source.name: r.status for r in run_jobs(jobs)} == {"outer": "failed", "inner": "done"}
    _frames(source / "outer", "2.png")
    assert {r.source.name: r.status for r in run_jobs(jobs)} == {"outer": "done", "inner": "skipped"}
    shown = sorted(str(path.relative_to(out)) for path in out.rglob("*.png"))
    assert shown == ["outer/1.png", "outer/2.png", "outer/inner/1.png"]
    again = find_jobs(source, out, replace(SETTINGS, overwrite=True))
    assert {r.source.name: r.status for r in run_jobs(again)} == {"outer": "done", "inner": "done"}
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == shown


def test_frames_in_the_root_and_below_it_are_all_done(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    _frames(source, "1.png")
    _frames(source / "shot.01", "1.png")
    for expected in ("done", "skipped"):
        results = list(run_jobs(find_jobs(source, out, SETTINGS)))
        assert [result.status for result in results] == [expected] * 2, results
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == ["1.png", "shot.01/1.png"]


def test_names_never_collide_and_every_source_has_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = _pretend(monkeypatch)
    source, out = tmp_path / "in", tmp_path / "out"
    names = ["a.avi", "a.mp4", "a.avi.mp4", "a.flv", "a.AVI", "b.avi", "c.avi", "c.mp4/d.mp4"]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    results = list(run_jobs(find_jobs(source, out, SETTINGS)))
    assert [result.status for result in results] == ["done"] * len(names), results
    assert sorted(ran) == sorted(source / name for name in names)
    assert len({result.output for result in results}) == len(names)
    for result in results:  # nothing was written over
        assert result.output.read_text() == str(result.source)
    by_source = {result.source.name: str(result.output.relative_to(out)) for result in results}
    assert by_source["a.mp4"] == "a.mp4" and by_source["a.avi.mp4"] == "a.avi.mp4"
    assert by_source["b.avi"] == "b.mp4"
    assert {result.status for result in run_jobs(find_jobs(source, out, SETTINGS))} == {"skipped"}


def test_done_means_from_this_source_with_these_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch)
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
    ran = _pretend(monkeypatch)
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
    ran = _pretend(monkeypatch)
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


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out of memory"),
        (RuntimeError("can't start new thread"), "another thread"),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "UTF-8"),
        (ValueError("29 is not\na valid Type"), "29 is not a valid Type"),
        (RecursionError("maximum recursion depth exceeded"), "recursion"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_a_job_raises_is_the_failure_of_that_job(
    error: Exception, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, {"b.mp4": error})
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / "in" / name).write_text(name)
    results = list(run_jobs(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)))
    assert [result.status for result in results] == ["done", "failed", "done"]
    assert says in results[1].message and "\n" not in results[1].message
    _pretend(monkeypatch)
    again = run_jobs(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS))
    assert [result.status for result in again] == ["skipped", "done", "skipped"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled, SystemExit])
def test_only_a_request_to_stop_ends_a_batch(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, {"a.mp4": error()})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_text("a")
    with pytest.raises(error):
        list(run_jobs(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)))
    assert not list((tmp_path / "out").rglob("*.lock"))


def test_a_pipe_and_a_broken_link_fail_at_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "pipe.mp4")
    (tmp_path / "in" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    results = list(run_jobs(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)))
    assert [result.status for result in results] == ["failed", "failed"]
    assert "is a pipe" in results[1].message


def test_eight_thousand_files_are_found_in_a_second(tmp_path: Path) -> None:
    for folder in range(8):
        (tmp_path / "in" / f"{folder}").mkdir(parents=True)
        for index in range(1000):
            (tmp_path / "in" / f"{folder}" / f"{index}.avi").touch()
    began = time.process_time()
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)
    assert len(jobs) == 8000 and time.process_time() - began < 1


def test_two_batches_over_one_tree_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = _pretend(monkeypatch)
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
    ran = _pretend(monkeypatch)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_text("a")
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)
    with locks.hold(_lock(jobs[0])) as mine:
        assert mine
        (result,) = run_jobs(jobs)
    assert (result.status, result.message) == ("skipped", "another run is at it") and not ran
    assert not _lock(jobs[0]).exists()


def test_a_damaged_record_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch)
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
