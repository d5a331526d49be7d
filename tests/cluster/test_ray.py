"""Workers on a Ray cluster, with a small pretence of Ray: actors are threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scenivid.cluster import ray_workers
from scenivid.cluster.crew import Crew
from scenivid.cluster.ray_workers import RayPlace
from scenivid.cluster.tasks import Hand, Task
from scenivid.errors import ConfigError, DependencyError, InputError, OutputError


class ActorDied(Exception):
    """Stands for Ray's."""


class Pretended:
    """As much of Ray as is used."""

    def __init__(self, cpus: int = 4, gpus: int = 0) -> None:
        self.actors: list[SimpleNamespace] = []
        self.exceptions = SimpleNamespace(
            RayActorError=ActorDied, RayError=ActorDied, GetTimeoutError=TimeoutError
        )
        self._node = {"Alive": True, "Resources": {"CPU": float(cpus), "GPU": float(gpus)}}

    def init(self, **options: Any) -> None:
        self.options = options

    def shutdown(self) -> None:
        self.over = True

    def nodes(self) -> list[dict[str, Any]]:
        return [self._node]

    def remote(self, kind: type) -> Any:
        def start() -> SimpleNamespace:
            actor = SimpleNamespace(dead=threading.Event(), body=kind(), running=None)
            for name in ("perform", "news", "stop", "sees"):
                setattr(actor, name, SimpleNamespace(remote=self._method(actor, name)))
            self.actors.append(actor)
            return actor

        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=start))

    def _method(self, actor: SimpleNamespace, name: str) -> Callable[..., Future[Any]]:
        def call(*arguments: Any) -> Future[Any]:
            future: Future[Any] = Future()

            def run() -> None:
                try:
                    result = getattr(actor.body, name)(*arguments)
                    if not future.done():
                        future.set_result(result)
                except Exception as error:
                    future.set_exception(error)

            if actor.dead.is_set():
                future.set_exception(ActorDied("it is dead"))
            elif name == "perform":
                actor.running = future
                threading.Thread(target=run, daemon=True).start()
            else:
                run()
            return future

        return call

    def get(self, future: Future[Any], timeout: float | None = None) -> Any:
        return future.result(timeout)

    def wait(self, futures: list[Future[Any]], num_returns: int = 1, timeout: float | None = None) -> Any:
        done, left = wait(futures, timeout, FIRST_COMPLETED)
        return list(done), list(left)

    def kill(self, actor: SimpleNamespace) -> None:
        actor.dead.set()
        if actor.running is not None and not actor.running.done():
            actor.running.set_exception(ActorDied("killed"))


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    pretended = Pretended()
    monkeypatch.setattr(ray_workers, "_import_ray", lambda: pretended)
    yield pretended
    assert pretended.over


def _twice(hand: Hand, number: int) -> int:
    hand.tell(number)
    return 2 * number


def _wrong(hand: Hand) -> None:
    raise InputError("it is damaged")


def _waiting(hand: Hand, begun: threading.Event, end: threading.Event) -> str:
    if hand.again:
        return "again"
    begun.set()
    end.wait(60)
    return "first"


def test_tasks_are_done_by_actors(ray: Pretended, tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(b"film")
    told: list[int] = []
    with Crew(RayPlace("local", 2, "cpu", [source], tmp_path)) as crew:
        futures = [crew.submit(Task(_twice, (number,), "twice"), told.append) for number in range(5)]
        assert [future.result() for future in futures] == [0, 2, 4, 6, 8]
        with pytest.raises(InputError, match="it is damaged"):
            crew.submit(Task(_wrong, (), "wrong")).result()
    assert sorted(told) == [0, 1, 2, 3, 4] and len(ray.actors) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_what_a_dead_actor_was_at_is_done_by_another(ray: Pretended) -> None:
    begun, end = threading.Event(), threading.Event()
    with Crew(RayPlace("local", 1, "cpu")) as crew:
        future = crew.submit(Task(_waiting, (begun, end), "waiting"))
        assert begun.wait(30)
        ray.kill(ray.actors[0])
        assert future.result() == "again"
        end.set()


def test_storage_that_isnt_shared_is_said_before_any_work(
    ray: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(b"film")
    sees = ray_workers._Body.sees

    def elsewhere(self: Any, sources: Any, mark: Path, reply: Path, token: str) -> str:
        there = [(tmp_path / "there" / path.name, size) for path, size in sources]
        return sees(self, there, mark, reply, token)

    monkeypatch.setattr(ray_workers._Body, "sees", elsewhere)
    with pytest.raises(OutputError, match=r"doesn't see .*in\.mp4 as it is here: source and output must lie"):
        RayPlace("local", 2, "cpu", [source], tmp_path)


def test_a_cluster_without_room_is_said(ray: Pretended) -> None:
    with pytest.raises(ConfigError, match="4 cores and 0 GPUs, which is no room for 5 workers"):
        RayPlace("192.0.2.1:6379", 5, "cpu")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "ray":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DependencyError, match=r"scenivid\[cluster\]"):
        RayPlace("local", 1, "cpu")
