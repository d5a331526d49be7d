"""Workers that are actors of a Ray cluster, each with its GPU and its loaded style.

Only tasks and messages travel; frames never do: source and output lie on storage that all nodes see under the
same path, which is checked before any work.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from scenivid.cluster.crew import Worker
from scenivid.cluster.processes import automatic
from scenivid.cluster.tasks import Hand, Message, Task, Trouble, perform
from scenivid.engine.loading.loaded import Loaded
from scenivid.errors import Cancelled, ConfigError, DependencyError, OutputError
from scenivid.machine import cores

_PAUSE_S, _GRACE_S, _START_S = 0.3, 1.2, 180.0
_SHARED = "source and output must lie on storage that all nodes share, under the same path"


class RayPlace:
    """`crew.Place` on a cluster."""

    def __init__(
        self,
        address: str,
        size: int | Literal["auto"] = "auto",
        device: str = "auto",
        sources: Sequence[Path] = (),
        folder: Path | None = None,
    ) -> None:
        """Connect, start the workers, and make sure that they see what we see.

        Args:
            address: of the cluster's head ('auto' finds one on this machine), or 'local' to start one.
            size: how many workers; 'auto' is one for each GPU, or without any one for each node.
            device: as in the settings.
            sources: what will be read.
            folder: where results go.

        Raises:
            DependencyError: Ray isn't installed.
            ConfigError: the cluster can't be reached, or has no room for so many workers.
            OutputError: a node doesn't see a source, or can't write into the folder.
        """
        self._ray: Any = _import_ray()
        self._woken = threading.Event()
        self._sources = [(path.absolute(), _size_of(path)) for path in sources]
        self._folder = None if folder is None else folder.absolute()
        try:
            self._ray.init(
                address=None if address == "local" else address,
                include_dashboard=False if address == "local" else None,
                log_to_driver=False,
                configure_logging=False,
                **({"num_cpus": max(2, cores.available())} if address == "local" else {}),
            )
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as exc:
            raise ConfigError(f"no Ray cluster can be reached at {address}: {exc}") from exc
        try:
            self._measure(address, size, device)
            self._ready = [self._start() for _ in range(self.size)]
            for worker in self._ready:
                self._check(worker)
        except BaseException:
            self._ray.shutdown()
            raise

    def hire(self, number: int) -> Worker:
        """One of those that were started, or a new one in place of one that died."""
        if self._ready:
            return self._ready.pop()
        worker = self._start()
        self._check(worker)
        return worker

    def wait(self, workers: Sequence[Worker]) -> None:
        """A moment: actors are asked for news."""
        running = _running(workers)
        if running and not self._woken.is_set():
            self._ray.wait(running, timeout=_PAUSE_S)
        else:
            self._woken.wait(_PAUSE_S)
        self._woken.clear()

    def wake(self) -> None:
        """End `wait`."""
        self._woken.set()

    def close(self, workers: Sequence[Worker]) -> None:
        """Give tasks a moment to tidy up, then end all actors."""
        running = _running(workers)
        if running:
            self._ray.wait(running, num_returns=len(running), timeout=_GRACE_S)
        for worker in [*workers, *self._ready]:
            worker.end(kill=True)
        self._ray.shutdown()

    def _measure(self, address: str, size: int | Literal["auto"], device: str) -> None:
        """How many workers, and what each gets."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        gpus = int(sum(node.get("GPU", 0) for node in nodes)) if device in ("auto", "cuda") else 0
        room = int(sum(node.get("CPU", 0) for node in nodes))
        if size == "auto":
            size = gpus or (automatic("cpu") if address == "local" else len(nodes))
        if size > room or (gpus and size > gpus):
            raise ConfigError(
                f"the cluster has {room} cores and {gpus} GPUs, which is no room for {size} workers"
            )
        self.size = size
        each_node = -(-size // len(nodes))
        threads = max(1, int(min(node.get("CPU", 1) for node in nodes)) // each_node)
        self._options = {
            "num_cpus": 1,
            "num_gpus": 1 if gpus else 0,
            "max_concurrency": 2,  # it says how it is going while it works
            "max_restarts": 0,
            "scheduling_strategy": "SPREAD",
            "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(threads)}},
        }

    def _start(self) -> _Actor:
        return _Actor(self._ray, self._ray.remote(_Body).options(**self._options).remote())

    def _check(self, worker: _Actor) -> None:
        """Make sure that a worker sees the same storage.

        Raises:
            OutputError: it doesn't.
        """
        folder, token = self._folder, secrets.token_hex(8)
        mark = None if folder is None else folder / f".scenivid-{token}"
        reply = None if folder is None else folder / f".scenivid-{token}-seen"
        try:
            if mark is not None:
                mark.write_text(token)
            try:
                wrong = self._ray.get(
                    worker.actor.sees.remote(self._sources, mark, reply, token), timeout=_START_S
                )
            except self._ray.exceptions.GetTimeoutError as exc:
                raise ConfigError(
                    f"the cluster has not started {self.size} workers in {_START_S:g} s: "
                    "is it busy with other work, or are scenivid and Ray missing on a node?"
                ) from exc
            except self._ray.exceptions.RayError as exc:
                text = str(exc).strip().splitlines()[-1]
                raise ConfigError(f"a worker can't start: {text}") from exc
            if wrong:
                raise OutputError(wrong)
            if reply is not None and not reply.exists():
                raise OutputError(f"what a node wrote into {folder} can't be seen here: {_SHARED}")
        except OSError as exc:
            raise OutputError(f"{folder} can't be written: {exc.strerror or exc}") from exc
        finally:
            for path in (mark, reply):
                if path is not None:
                    path.unlink(missing_ok=True)


class _Actor:
    """One actor, as seen from here; see `crew.Worker`."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.actor, self.alive = actor, True
        self.running: Any = None
        self._ray = ray
        self._asked: Any = None

    def begin(self, task: Task, again: bool) -> None:
        self.running = self.actor.perform.remote(task, again)

    def news(self) -> Sequence[Message]:
        ray = self._ray
        found: list[Message] = []
        try:
            self._asked = self._asked or self.actor.news.remote()
            if ray.wait([self._asked], timeout=0)[0]:
                asked, self._asked = self._asked, None
                found += ray.get(asked)
            if self.running is not None and not found and ray.wait([self.running], timeout=0)[0]:
                ray.get(self.running)  # only errors matter: what it has to say comes as news
        except ray.exceptions.RayActorError:
            self.alive = False
        except Exception as exc:  # it could not even take the task
            found.append(Message(done=True, trouble=Trouble.of(exc)))
        if any(message.done for message in found):
            self.running = None
        return found

    def end(self, kill: bool = False) -> None:
        with suppress(Exception):  # it may be dead
            if kill:
                self._ray.kill(self.actor)
            else:
                self.actor.stop.remote()


class _Body:
    """The actor itself, on its node."""

    def __init__(self) -> None:
        self._loaded = Loaded()
        self._said: deque[Message] = deque()
        self._stopped = False

    def perform(self, task: Task, again: bool) -> None:
        """Do a task; what there is to say goes to `news`."""

        def tell(told: object) -> None:
            if self._stopped:
                raise Cancelled
            self._said.append(Message(told))

        self._said.append(perform(task, Hand(self._loaded, tell, again)))

    def news(self) -> list[Message]:
        """What has been said since the last call."""
        return [self._said.popleft() for _ in range(len(self._said))]

    def stop(self) -> None:
        """Have the task end as soon as it says something."""
        self._stopped = True

    def sees(
        self, sources: list[tuple[Path, int | None]], mark: Path | None, reply: Path | None, token: str
    ) -> str:
        """What is wrong with the storage as this node sees it; empty if nothing is."""
        node = socket.gethostname()
        for path, size in sources:
            if not path.exists() or _size_of(path) != size:
                return f"the node {node} doesn't see {path} as it is here: {_SHARED}"
        try:
            if mark is not None and reply is not None:
                if mark.read_text() != token:
                    return f"the node {node} sees another {mark.parent}: {_SHARED}"
                reply.write_text(token)
        except OSError as exc:
            assert mark is not None
            return f"the node {node} can't use {mark.parent} ({exc.strerror}): {_SHARED}"
        return ""

    def pid(self) -> int:
        """Of the actor's process."""
        return os.getpid()


def _running(workers: Sequence[Worker]) -> list[Any]:
    return [each.running for each in workers if isinstance(each, _Actor) and each.running is not None]


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _import_ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as exc:
        raise DependencyError('--ray needs Ray: pip install "scenivid[cluster]"') from exc
    return ray
