"""`doctor` names what is missing or broken, and looks at the rest all the same."""

from __future__ import annotations

import os
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from scenivid.cli import main
from scenivid.doctor import Finding, examine


def _examine(monkeypatch: pytest.MonkeyPatch, requirements: list[str]) -> dict[str, Finding]:
    monkeypatch.setattr(metadata, "requires", lambda name: requirements)
    return {finding.subject: finding for finding in examine()}


def test_a_sound_installation_has_nothing_to_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path))
    found = _examine(monkeypatch, ["torch>=2.4", "av", 'nothing-at-all>=1; extra == "onnx"'])
    assert all(finding.good for finding in found.values())
    assert "torch" in found["packages"].text and "av" in found["packages"].text
    assert 'pip install "scenivid[onnx]"' in found["extra onnx"].text
    with pytest.raises(SystemExit) as stopped:
        main(["doctor"])
    assert stopped.value.code == 0
    assert "scenivid[onnx]" in "".join(capsys.readouterr().out.split())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _examine(monkeypatch, ["nothing-at-all>=1", "torch"])
    assert not found["nothing-at-all"].good
    assert found["nothing-at-all"].text == "is not installed: pip install --force-reinstall nothing-at-all"
    assert found["encoders"].good


def test_a_broken_package_is_named_and_nothing_dies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("av", "imageio_ffmpeg"):
        monkeypatch.setitem(sys.modules, module, None)
    found = _examine(monkeypatch, ["av", "imageio-ffmpeg", "torch", "decord2"])
    assert {name for name, finding in found.items() if not finding.good} >= {
        "av",
        "imageio-ffmpeg",
        "encoders",
    }
    assert "installed but broken" in found["av"].text and "decord2" in found["packages"].text
    with pytest.raises(SystemExit) as stopped:
        main(["doctor"])
    assert stopped.value.code == 1
    assert "--force-reinstall av" in " ".join(capsys.readouterr().out.split())


def test_a_second_opencv_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "4.12" if name == "opencv-python" else real(name))
    found = _examine(monkeypatch, ["opencv-python-headless"])
    assert "pip uninstall opencv-python" in found["opencv-python"].text


def test_what_killed_runs_have_left_is_named_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path / "home"))
    (tmp_path / "deep").mkdir()
    old, new = tmp_path / "deep" / ".old.mp4.ab12.part", tmp_path / ".new.mp4.cd34.part"
    for path in (old, new):
        path.touch()
    monkeypatch.setattr(metadata, "requires", lambda name: [])  # the packages have their own tests
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    with pytest.raises(SystemExit):
        main(["doctor", str(tmp_path)])
    said = "".join(capsys.readouterr().out.split())
    assert ".old.mp4" in said and ".new.mp4" not in said


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    (found,) = (each for each in examine((tmp_path / "nowhere",)) if each.subject == "left-overs")
    assert not found.good and found.text.startswith("no such folder: ")


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("raise ImportError('no libav here')", "ImportError: no libav here"),
        ("import os; os.abort()", "its import ends in signal 6"),
        ("import sys; sys.exit(3)", "its import ends in status 3"),
    ],
)
def test_decord_is_tried_where_its_end_harms_nobody(
    does: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "decord.py").write_text(does)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = _examine(monkeypatch, ["decord2"])
    assert found["decord2"].text.startswith(f"is installed but broken ({said})")
    assert "decord" not in sys.modules
