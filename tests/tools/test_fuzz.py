"""The fuzzer: its cases are reproducible, and it notices what it is there for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from scripts import ROOT, load_script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """eval/fuzz.py."""
    pytest.importorskip("onnx")
    monkeypatch.syspath_prepend(str(ROOT / "eval"))
    return load_script("eval/fuzz.py")


def test_cases_follow_from_the_seed_alone(fuzz: ModuleType, tmp_path: Path) -> None:
    cases = sys.modules["fuzz_cases"]
    sound = cases.sound_files(tmp_path)
    assert max(len(file.data) for file in sound) < 300_000
    first = [cases.case(sound, 1, index) for index in range(60)]
    assert first == [cases.case(sound, 1, index) for index in range(60)]
    assert first != [cases.case(sound, 2, index) for index in range(60)]
    assert {made.kind for made in first} == {"video", "still", "weights", "network"}


@pytest.mark.parametrize(
    ("does", "finding"),
    [
        ("pass", ""),
        ("raise ValueError('odd')", "traceback"),
        ("os.kill(os.getpid(), 10)", "signal 10"),
        ("time.sleep(60)", "hang"),
        ("(Path(words[1]).parent / 'rest.part').touch()", "left over: out.png, rest.part"),
        ("sys.exit(3)", "status 3"),
        ("sys.exit(1)", "no error said"),
    ],
)
def test_what_should_never_happen_is_noticed(
    does: str, finding: str, fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(words: list[str]) -> None:
        exec("import os, sys, time\nfrom pathlib import Path\n" + does, {"words": words})
        sys.exit(0)

    monkeypatch.setattr(fuzz, "command_line", command)
    made = fuzz.Case("a.png", "still", b"x", 1, "flipped")
    assert fuzz.run_case(made, tmp_path / "case", patience=0.5).finding == finding
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_spoilt_files_are_read_or_refused(fuzz: ModuleType, tmp_path: Path) -> None:
    """In a process of its own: torch's threads, which other tests have begun, don't survive a fork."""
    command = [sys.executable, str(ROOT / "eval" / "fuzz.py"), "--cases", "40", "--seed", "7"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)
    *_, last = done.stdout.splitlines() or [done.stderr]
    assert last.startswith("40 cases, seed 7"), done.stdout + done.stderr
    for never in ("signal", "hang", "traceback", "left over", "status", "no error said", "without a word"):
        assert never not in done.stdout, done.stdout
