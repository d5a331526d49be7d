"""Batches: mirrored names, done files skipped, a bad file reported and the rest finished."""

from __future__ import annotations

import pickle
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenivid.engine import StylizeSettings
from scenivid.errors import InputError, OutputError
from scenivid.jobs import find_jobs, run_jobs

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
