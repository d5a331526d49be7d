"""A crew does every task, tells what is told, and survives its workers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pretended_jobs import video

from scenivid.batch.jobs import find_jobs
from scenivid.batch.together import run_together
from scenivid.cluster.crew import Alone, Crew, Worker
from scenivid.cluster.processes import Processes, automatic
from scenivid.cluster.tasks import Hand, Message, Task, Trouble, perform
from scenivid.engine import StylizeSettings
from scenivid.engine.loading.loaded import Loaded
from scenivid.errors import Cancelled, InputError, OutputError, ScenividError


class Threads:
    """`crew.Place` in this process: its workers "die" when a task raises Death."""

    def __init__(self, size: int) -> None:
        self.size, self.hired = size, 0
        self._woken = threading.Event()

    def hire(self, number: int) -> Worker:
        self.hired += 1
        return _Thread(self._woken)

    def wait(self, workers: Sequence[Worker]) -> None:
        self._woken.wait(0.05)
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    def close(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.join()  # type: ignore[attr-defined]


class Death(BaseException):
    """Ends a worker."""


class _Thread:
    def __init__(self, woken: threading.Event) -> None:
        self._woken, self._said, self.alive = woken, deque[Message](), True
        self._thread: threading.Thread | None = None
        self._stopped = False

    def begin(self, task: Task, again: bool) -> None:
        self._thread = threading.Thread(target=self._run, args=(task, again))
        self._thread.start()

    def _run(self, task: Task, again: bool) -> None:
        try:
            self._said.append(perform(task, Hand(Loaded(), self._tell, again)))
        except Death:
            self.alive = False
        self._woken.set()

    def _tell(self, told: Any) -> None:
        if self._stopped:
            raise Death
        self._said.append(Message(told))
        self._woken.set()

    def news(self) -> Sequence[Message]:
        return [self._said.popleft() for _ in range(len(self._said))]

    def end(self, kill: bool = False) -> None:
        self._stopped = True

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()


def _twice(hand: Hand, number: int) -> int:
    hand.tell(number)
    return 2 * number


def _failing(hand: Hand) -> None:
    raise InputError("it is damaged")


def _dying(hand: Hand, times: list[int]) -> str:
    if len(times) < 2:
        times.append(1)
        raise Death
    return "again" if hand.again else "first"


def _for_ever(hand: Hand, begun: threading.Event) -> None:
    while True:
        begun.set()
        hand.tell(0)


def test_tasks_are_done_and_what_they_tell_arrives_first() -> None:
    told: list[int] = []
    with Crew(Threads(2)) as crew:
        futures = [crew.submit(Task(_twice, (number,), "twice"), told.append) for number in range(9)]
        assert [future.result() for future in futures] == [2 * number for number in range(9)]
    assert sorted(told) == list(range(9))


def test_an_error_keeps_its_kind_and_its_line() -> None:
    with Crew(Threads(1)) as crew, pytest.raises(InputError, match="it is damaged"):
        crew.submit(Task(_failing, (), "failing")).result()
    assert isinstance(Trouble.of(ValueError("x")).error(), ScenividError)
    assert Trouble.of(Cancelled("stopped by SIGTERM", 143)).error().status == 143  # type: ignore[attr-defined]


def test_what_a_dead_worker_was_at_is_done_by_another_which_knows_it() -> None:
    place = Threads(1)
    with Crew(place) as crew:
        assert crew.submit(Task(_dying, ([],), "dying")).result() == "again"
    assert place.hired == 3


def test_a_task_of_which_every_worker_dies_fails() -> None:
    with Crew(Threads(1)) as crew:
        future = crew.submit(Task(_dying, (_Never(),), "dying"))
        with pytest.raises(OutputError, match="its worker died"):
            future.result()
        assert crew.submit(Task(_twice, (1,), "twice")).result() == 2


class _Never(list[int]):
    def __len__(self) -> int:
        return 0


def test_leaving_ends_what_is_going_on_and_what_waits() -> None:
    begun = threading.Event()
    with Crew(Threads(1)) as crew:
        going = crew.submit(Task(_for_ever, (begun,), "for ever"))
        waiting = crew.submit(Task(_twice, (1,), "twice"))
        assert begun.wait(30)
    for future in (going, waiting, crew.submit(Task(_twice, (1,), "twice"))):
        with pytest.raises(Cancelled):
            future.result()


def test_dropping_a_task_leaves_the_others() -> None:
    begun = threading.Event()
    with Crew(Threads(2)) as crew:
        going = crew.submit(Task(_for_ever, (begun,), "for ever"))
        assert begun.wait(30)
        crew.drop([going])
        assert going.done()
        assert crew.submit(Task(_twice, (3,), "twice")).result() == 6


def test_an_error_of_the_listener_is_the_tasks() -> None:
    def listen(told: object) -> None:
        raise KeyError(told)

    with Crew(Threads(1)) as crew, pytest.raises(KeyError):
        crew.submit(Task(_twice, (1,), "twice"), listen).result()


def test_alone_does_the_same() -> None:
    told: list[int] = []
    assert Alone().submit(Task(_twice, (4,), "twice"), told.append).result() == 8 and told == [4]
    with pytest.raises(InputError):
        Alone().submit(Task(_failing, (), "failing")).result()


@pytest.mark.parametrize("size", [1, 2, 9])
def test_a_batch_side_by_side_makes_every_file(tmp_path: Path, size: int) -> None:
    for name in ("a", "b", "c"):
        video(tmp_path / "in" / f"{name}.mp4")
    (tmp_path / "in" / "bad.mp4").write_text("not a video")
    jobs = find_jobs(tmp_path / "in", tmp_path / "out", StylizeSettings(style="none", device="cpu"))
    begun, ended = set(), dict[str, bool]()
    with Crew(Threads(size)) as crew:
        results = {
            one.source.stem: one.status
            for one in run_together(
                jobs,
                crew,
                lambda index, job: (begun.add(job.source.stem), lambda done, expected: None)[1],
                lambda index, job, failed: ended.update({job.source.stem: failed}),
            )
        }
    assert results == {"a": "done", "b": "done", "c": "done", "bad": "failed"}
    assert begun >= {"a", "b", "c"} and ended == {"a": False, "b": False, "c": False, "bad": True}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".scenivid",
        "a.mp4",
        "b.mp4",
        "c.mp4",
    ]


def test_processes_share_out_the_cores() -> None:
    assert automatic("cpu") >= 1
    place = Processes(10_000, "cpu")
    assert place._cores == 1
    place.close([])
