"""The translator in several processes, and killed in the middle: the weights of one whole run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from toy_translator import tiny, weights

from scenivid.training.programs.translator import run
from scenivid.training.run.checkpoint import read_checkpoint
from scenivid.training.translator.program import TranslatorProgram
from scenivid.training.translator.recipe import Recipe, open_sets


def losses_of(recipe: Recipe) -> list[dict[str, float]]:
    """Losses of the first two steps, then a digest of the weights they lead to."""
    with TranslatorProgram(recipe, open_sets(recipe)) as program:
        steps = [{k: float(v) for k, v in program.step(index).items()} for index in range(2)]
        digest = sum(float(p.detach().double().abs().sum()) for p in program.parts["g"].parameters())
    return [*steps, {"weights": digest}]


def main(data: str, out: str, *overrides: str) -> None:
    """Run by the tests below in processes of their own."""
    torch.set_num_threads(1)
    recipe = tiny(Path(data), *overrides)
    if out.endswith(".json"):
        Path(out).write_text(json.dumps(losses_of(recipe)))
    else:
        run(recipe, Path(out))


def start(arguments: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    found = {"PYTHONPATH": os.pathsep.join(sys.path)}  # what these tests import, wherever it lies
    return subprocess.Popen(command, env=os.environ | found | (environment or {}))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the processes of their own: sums depend on how they are divided among threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_equal_one_with_the_joint_batch(data: Path, tmp_path: Path, accumulate: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "1"}
    settings = ["batch=1", f"accumulate={accumulate}"]
    processes = [
        start(
            [str(data), str(tmp_path / f"{rank}.json"), *settings],
            shared | {"RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]
    alone = losses_of(tiny(data, f"batch={2 * accumulate}"))
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    for rank in "01":
        told = json.loads((tmp_path / f"{rank}.json").read_text())
        assert told[0] == pytest.approx(alone[0], rel=1e-4, abs=1e-5)
        # Adam's first step is the sign of the gradient, noise included: the biases before an InstanceNorm
        assert told[1] == pytest.approx(alone[1], rel=2e-2, abs=1e-3)
        assert told[2] == pytest.approx(alone[2], rel=1e-3)


@pytest.mark.slow
def test_killed_and_run_again_gives_the_weights_of_an_uninterrupted_run(
    data: Path, tmp_path: Path, one_thread: None
) -> None:
    common = ["run.steps=6", "run.checkpoint_minutes=0.001", "workers=1"]
    process = start([str(data), str(tmp_path / "two"), *common])
    checkpoint = tmp_path / "two" / "checkpoint.pt"
    limit = time.monotonic() + 300
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 0 < read_checkpoint(checkpoint)["step"] < 6
    for out in ("one", "two"):
        run(tiny(data, *common), tmp_path / out)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


if __name__ == "__main__":
    main(*sys.argv[1:])
