"""The queue: order, turns, cancelling, resuming, and what survives the server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pretended_children import Pretended, make_studio, wait_until

from scenivid.errors import ConfigError, InputError
from scenivid.ui.choices import Choices
from scenivid.ui.sources import Source
from scenivid.ui.studio import Studio
from scenivid.ui.work.jobs import Job, moved
from scenivid.ui.work.queue import MOST_WAITING


@pytest.fixture
def source(clip: Path) -> Source:
    """A clip, as the API would call it."""
    return Source(str(clip), clip, clip.name, 96, 64, 25.0, 11, 0.44, False)


def _state(studio: Studio, job: Job) -> str:
    return studio.queue.get(job.user, job.id).state


def test_a_job_is_a_run_of_the_command_line_that_can_be_resumed(
    studio: Studio, source: Source, children: Pretended
) -> None:
    job = studio.queue.submit("me", source, Choices(strength=0.5))
    wait_until(lambda: _state(studio, job) == "done")
    result = studio.queue.jobs.folder(job) / "in-aozora.mp4"
    assert children.begun == [
        ["stylize", str(source.path), str(result), "--style", "aozora", "--strength", "0.5",
         "--consistency", "0.7", "--paint", "auto", "--resume",
         "--progress", "json", "--json", "--device", "cpu"]
    ]  # fmt: skip
    assert job.command == (
        f"scenivid stylize {source.path} in-aozora.mp4"
        " --style aozora --strength 0.5 --consistency 0.7 --paint auto"
    )


def test_twenty_jobs_at_once_are_done_in_order_one_at_a_time(
    studio: Studio, source: Source, children: Pretended
) -> None:
    children.go.clear()
    jobs = [studio.queue.submit("me", source, Choices(start=index / 100)) for index in range(20)]
    children.wait_for(1)
    assert [_state(studio, job) for job in jobs] == ["running"] + 19 * ["queued"]
    assert len({job.id for job in jobs}) == 20 and [job.number for job in jobs] == list(range(1, 21))
    children.go.set()
    wait_until(lambda: all(_state(studio, job) == "done" for job in jobs))
    assert [Path(begun[2]).parent.name for begun in children.begun] == [job.id for job in jobs]


def test_users_take_turns_and_dont_see_each_other(
    studio: Studio, source: Source, children: Pretended
) -> None:
    children.go.clear()
    many = [studio.queue.submit("one", source, Choices()) for _ in range(3)]
    children.wait_for(1)
    late = studio.queue.submit("other", source, Choices())
    children.go.set()
    wait_until(lambda: all(_state(studio, job) == "done" for job in [*many, late]))
    assert Path(children.begun[1][2]).parent.name == late.id
    assert [job.id for job in studio.queue.all("other")] == [late.id]
    for does in (studio.queue.get, studio.queue.cancel, studio.queue.resume, studio.queue.remove):
        with pytest.raises(InputError, match="no job"):
            does("other", many[0].id)


def test_a_running_job_is_cancelled_and_resumed(studio: Studio, source: Source, children: Pretended) -> None:
    children.go.clear()
    job = studio.queue.submit("me", source, Choices())
    children.wait_for(1)
    with pytest.raises(ConfigError, match="cancel it first"):
        studio.queue.remove("me", job.id)
    studio.queue.cancel("me", job.id)
    wait_until(lambda: _state(studio, job) == "stopped")
    assert studio.queue.get("me", job.id).progress == {"done": 1, "total": 2, "eta_seconds": 3.0}
    children.go.set()
    studio.queue.resume("me", job.id)
    wait_until(lambda: _state(studio, job) == "done")
    assert children.begun[0] == children.begun[1]
    with pytest.raises(ConfigError, match="is done"):
        studio.queue.resume("me", job.id)


def test_a_waiting_job_is_cancelled_without_having_run(
    studio: Studio, source: Source, children: Pretended
) -> None:
    children.go.clear()
    first, second = (studio.queue.submit("me", source, Choices()) for _ in range(2))
    children.wait_for(1)
    assert studio.queue.cancel("me", second.id).state == "stopped"
    children.go.set()
    wait_until(lambda: _state(studio, first) == "done")
    assert len(children.begun) == 1
    studio.queue.remove("me", second.id)
    assert [job.id for job in studio.queue.all("me")] == [first.id]
    assert not studio.queue.jobs.folder(second).exists()


def test_a_job_that_fails_says_why_without_this_machines_folders(
    studio: Studio, source: Source, children: Pretended
) -> None:
    children.error = f"{source.path}: damaged at 1 s"
    job = studio.queue.submit("me", source, Choices())
    wait_until(lambda: _state(studio, job) == "failed")
    assert studio.queue.get("me", job.id).error == "in.mkv: damaged at 1 s"
    children.error = None
    studio.queue.resume("me", job.id)
    wait_until(lambda: _state(studio, job) == "done")


def test_what_a_server_was_at_is_taken_up_by_the_next(
    tmp_path: Path, source: Source, children: Pretended
) -> None:
    children.go.clear()
    before = make_studio(tmp_path, children)
    before.queue.start()
    jobs = [before.queue.submit("me", source, Choices()) for _ in range(2)]
    children.wait_for(1)
    before.queue.close()
    children.go.set()
    after = make_studio(tmp_path, children)
    assert [job.state for job in reversed(after.queue.all("me"))] == ["queued", "queued"]
    after.queue.start()
    wait_until(lambda: all(_state(after, job) == "done" for job in jobs))
    after.queue.close()
    assert [Path(begun[2]).parent.name for begun in children.begun] == [jobs[0].id, jobs[0].id, jobs[1].id]


def test_a_job_whose_end_the_killed_server_didnt_see_is_done(
    tmp_path: Path, source: Source, children: Pretended
) -> None:
    before = make_studio(tmp_path, children)
    job = before.queue.submit("me", source, Choices())
    before.queue.jobs.save(moved(job, "running"))
    (before.queue.jobs.folder(job) / job.result).write_bytes(b"whole")
    after = make_studio(tmp_path, children)
    assert _state(after, job) == "done"


def test_a_damaged_record_is_left_alone_and_the_others_go_on(
    tmp_path: Path, source: Source, children: Pretended
) -> None:
    before = make_studio(tmp_path, children)
    good, bad, foreign = (before.queue.submit("me", source, Choices()) for _ in range(3))
    (before.queue.jobs.folder(bad) / "job.json").write_text("{")
    (before.queue.jobs.folder(foreign) / "job.json").write_text('{"id": 3, "choices": {"x": 1}}')
    after = make_studio(tmp_path, children)
    assert [job.id for job in after.queue.all("me")] == [good.id]
    assert before.queue.jobs.folder(bad).is_dir()


def test_the_queue_of_one_user_has_an_end(studio: Studio, source: Source, children: Pretended) -> None:
    children.go.clear()
    jobs = [studio.queue.submit("me", source, Choices()) for _ in range(3)]
    for _ in range(MOST_WAITING):
        job = replace(jobs[0], id=f"{len(studio.queue._known):016x}", state="queued")
        studio.queue._known[job.id] = job
    with pytest.raises(ConfigError, match="waiting already"):
        studio.queue.submit("me", source, Choices())
    studio.queue._known = {job.id: studio.queue._known[job.id] for job in jobs}
    children.go.set()


def test_a_part_beyond_the_end_is_refused_at_once(studio: Studio, source: Source) -> None:
    with pytest.raises(ConfigError, match="beyond the end"):
        studio.queue.submit("me", source, Choices(start=1.0))
