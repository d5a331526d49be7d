"""Workers that are processes of this machine: one for each GPU, or a share of the cores for each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait

import torch

from scenivid.cluster.crew import Worker
from scenivid.cluster.tasks import Hand, Message, Task, perform
from scenivid.engine.loading.loaded import Loaded
from scenivid.errors import Cancelled
from scenivid.machine import cores
from scenivid.machine.signals import cancellable

_PAUSE_S, _GRACE_S = 1.0, 0.8
_CORES_EACH = 4
"""Cores of one worker, with 'auto': about as many as one run uses well."""
_spawn = multiprocessing.get_context("spawn")


class Processes:
    """`crew.Place` on this machine."""

    def __init__(self, size: int, device: str = "auto") -> None:
        """`device`: as in the settings; workers share out the GPUs unless it names one, or the cores."""
        self.size = size
        gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
        self._gpus = gpus
        self._cores = max(1, cores.available() // size)
        self._woken, self._waker = _spawn.Pipe(duplex=False)

    def hire(self, number: int) -> Worker:
        """Start a process."""
        surroundings = {"OMP_NUM_THREADS": str(self._cores)}
        if self._gpus > 1:
            seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
            named = seen[number % self._gpus] if len(seen) >= self._gpus else str(number % self._gpus)
            surroundings["CUDA_VISIBLE_DEVICES"] = named
        return _Process(number, surroundings)

    def wait(self, workers: Sequence[Worker]) -> None:
        """Until a process has said something or ended."""
        watched: list[Connection | int] = [self._woken]
        for worker in workers:
            assert isinstance(worker, _Process)
            watched += [worker.connection, worker.sentinel]
        wait(watched, _PAUSE_S)
        while self._woken.poll():
            self._woken.recv_bytes()

    def wake(self) -> None:
        """End `wait`."""
        with suppress(OSError):  # closed meanwhile
            self._waker.send_bytes(b".")

    def close(self, workers: Sequence[Worker]) -> None:
        """Give processes a moment to end, then kill them."""
        until = time.monotonic() + _GRACE_S
        for worker in workers:
            assert isinstance(worker, _Process)
            worker.bury(max(0.0, until - time.monotonic()))
        self._waker.close()
        self._woken.close()


class _Process:
    """One process; see `crew.Worker`."""

    def __init__(self, number: int, surroundings: Mapping[str, str]) -> None:
        self.connection, other = _spawn.Pipe()
        self._process = _spawn.Process(
            target=_work, args=(other,), name=f"scenivid-worker-{number + 1}", daemon=True
        )
        with _environment(surroundings):
            self._process.start()
        other.close()
        self.sentinel = self._process.sentinel

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def begin(self, task: Task, again: bool) -> None:
        with suppress(OSError):  # it has died: that is noticed later
            self.connection.send((task, again))

    def news(self) -> Sequence[Message]:
        found: list[Message] = []
        with suppress(OSError, EOFError):
            while self.connection.poll():
                found.append(self.connection.recv())
        return found

    def end(self, kill: bool = False) -> None:
        (self._process.kill if kill else self._process.terminate)()

    def bury(self, seconds: float) -> None:
        """Wait so long for the end, then kill."""
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()


def automatic(device: str = "auto") -> int:
    """How many workers 'auto' is: one for each GPU; without one, one for some cores."""
    gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    return gpus or max(1, cores.available() // _CORES_EACH)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """What a process that is started inside finds in its environment."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(connection: Connection) -> None:
    """The life of a process: one task after the other, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it reaches all; who has started this one says what to do
    loaded = Loaded()
    with suppress(EOFError, OSError, Cancelled), cancellable():
        while True:
            task, again = connection.recv()

            def tell(told: object) -> None:
                connection.send(Message(told))

            message = perform(task, Hand(loaded, tell, again))
            connection.send(message)
            if message.trouble is not None and message.trouble.kind == Cancelled.__name__:
                return
