"""Batches: mirrored names, done files skipped, a bad file reported and the rest finished."""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pretended_jobs import frames, pretend, video

from scenivid.batch.jobs import find_jobs, run_jobs
from scenivid.engine import StylizeSettings
from scenivid.errors import Cancelled, InputError, OutputError

SETTINGS = StylizeSettings(style="none", device="cpu")


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Two videos, one frame folder, one bad file and things to pass over."""
    folder = tmp_path / "shots"
    video(folder / "a.mp4")
    video(folder / "deep" / "b.avi")
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
    video(shots / "a.avi")
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


def test_frame_folders_within_frame_folders_are_all_done_also_after_a_repair(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    frames(source / "outer", "1.png", "2.png")
    frames(source / "outer" / "inner", "1.png")
    (source / "outer" / "2.png").write_text("damaged")
    jobs = find_jobs(source, out, SETTINGS)
    assert {r.source.name: r.status for r in run_jobs(jobs)} == {"outer": "failed", "inner": "done"}
    frames(source / "outer", "2.png")
    assert {r.source.name: r.status for r in run_jobs(jobs)} == {"outer": "done", "inner": "skipped"}
    shown = sorted(str(path.relative_to(out)) for path in out.rglob("*.png"))
    assert shown == ["outer/1.png", "outer/2.png", "outer/inner/1.png"]
    again = find_jobs(source, out, replace(SETTINGS, overwrite=True))
    assert {r.source.name: r.status for r in run_jobs(again)} == {"outer": "done", "inner": "done"}
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == shown


def test_frames_in_the_root_and_below_it_are_all_done(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    frames(source, "1.png")
    frames(source / "shot.01", "1.png")
    for expected in ("done", "skipped"):
        results = list(run_jobs(find_jobs(source, out, SETTINGS)))
        assert [result.status for result in results] == [expected] * 2, results
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == ["1.png", "shot.01/1.png"]


def test_names_never_collide_and_every_source_has_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = pretend(monkeypatch)
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
    pretend(monkeypatch, {"b.mp4": error})
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / "in" / name).write_text(name)
    results = list(run_jobs(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS)))
    assert [result.status for result in results] == ["done", "failed", "done"]
    assert says in results[1].message and "\n" not in results[1].message
    pretend(monkeypatch)
    again = run_jobs(find_jobs(tmp_path / "in", tmp_path / "out", SETTINGS))
    assert [result.status for result in again] == ["skipped", "done", "skipped"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Cancelled, SystemExit])
def test_only_a_request_to_stop_ends_a_batch(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, {"a.mp4": error()})
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
