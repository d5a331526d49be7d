"""`make gpu`: says clearly that there is no GPU, and otherwise reports every part, failed ones too."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from speed import gpu_report

from scenivid.cli import main as scenivid


def test_without_a_gpu_it_says_so_in_words_in_the_report_and_by_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_report.main(["--out", str(tmp_path / "gpu")]) == 1
    assert "no GPU was found" in capsys.readouterr().err
    assert "no GPU was found" in (tmp_path / "gpu" / "report.md").read_text()
    assert json.loads((tmp_path / "gpu" / "report.json").read_text())["parts"] == []


def test_with_one_every_part_is_run_and_reported_also_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretended(out: Path, *_: object) -> dict[str, list[str]]:
        python = sys.executable
        return {
            "tests": [python, "-c", "import sys; print('one test failed'); sys.exit(3)"],
            "bench": [python, "-c", "import os; print(os.environ['SCENIVID_REQUIRE_CUDA'] * 3)"],
        }

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu_report, "machine", lambda: {"card": "a card"})
    monkeypatch.setattr(gpu_report, "commands", pretended)
    folders = [word for name in ("photos", "anime") for word in (f"--{name}", str(tmp_path))]
    assert gpu_report.main(["--out", str(tmp_path / "gpu"), *folders]) == 1
    text = (tmp_path / "gpu" / "report.md").read_text()
    assert "a card" in text and "tests: **failed with status 3**" in text and "one test failed" in text
    assert "bench: passed" in text and "111" in text


@pytest.mark.parametrize("name", ["bench", "chain"])
def test_its_commands_are_commands_of_ours(name: str, tmp_path: Path) -> None:
    command = gpu_report.commands(tmp_path, tmp_path, tmp_path, 20)[name]
    with pytest.raises(SystemExit) as left:
        scenivid([*command[3:], "--help"])
    assert left.value.code == 0
