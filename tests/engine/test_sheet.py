"""A sheet shows the source first, then every style, each where its name says."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_runs import make_clip

from scenivid.cli import main
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.sheet import SheetSettings, contact_sheet, first_frame, sheet, styles_here
from scenivid.errors import CheckpointError, ConfigError, InputError, OutputError
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams
from scenivid.styles import zoo

CPU = StylizeSettings(device="cpu", engine="torch")


@pytest.fixture
def two_styles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Tiny networks as the only styles of this machine."""
    params = LiteParams(
        widths=(16, 16, 16), encode_blocks=(0, 0), middle_dilations=(1,), decode_blocks=(0, 0)
    )
    for name in ("one", "two"):
        save_checkpoint(
            tmp_path / f"{name}.safetensors", Lite(params), ModelCard(name, "lite", asdict(params))
        )
    monkeypatch.setattr(zoo, "embedded_dir", lambda: tmp_path)
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path / "home"))
    return "one", "two"


def test_a_sheet_holds_the_source_and_every_style_here(two_styles: tuple[str, str], tmp_path: Path) -> None:
    clip, output = make_clip(tmp_path / "a.mkv"), tmp_path / "sheet.png"
    assert styles_here() == two_styles
    assert sheet(clip, output, SheetSettings(at=Fraction(2, 25), width=96, look=CPU)) == two_styles
    shown = np.asarray(Image.open(output).convert("RGB"))
    frame = first_frame(clip, Fraction(2, 25), CPU).pixels[0].permute(1, 2, 0).numpy()
    assert np.array_equal(shown[2:66, 2:98], frame)
    with pytest.raises(OutputError, match="exists already"):
        sheet(clip, output, SheetSettings(look=CPU))
    assert not list(tmp_path.glob("*.part"))


def test_one_broken_style_is_left_out_with_a_warning(
    two_styles: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip, broken = make_clip(tmp_path / "a.mkv"), tmp_path / "broken.safetensors"
    broken.write_bytes((tmp_path / "one.safetensors").read_bytes()[:-9])
    wanted = SheetSettings((str(broken), "two"), width=64, look=CPU)
    assert sheet(clip, tmp_path / "s.webp", wanted) == ("two",)
    assert "left out" in caplog.text
    with pytest.raises(CheckpointError):
        sheet(clip, tmp_path / "t.webp", SheetSettings((str(broken),), look=CPU))


def test_what_a_user_can_mend_is_said(two_styles: tuple[str, str], tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mkv")
    with pytest.raises(ConfigError, match=r"\.jpg, \.jpeg, \.png, \.webp"):
        sheet(clip, tmp_path / "sheet.mp4")
    with pytest.raises(ConfigError, match="no style 'three'"):
        sheet(clip, tmp_path / "sheet.jpg", SheetSettings(("three",), look=CPU))
    with pytest.raises(InputError):
        sheet(clip, tmp_path / "sheet.jpg", SheetSettings(at=Fraction(99), look=CPU))
    with pytest.raises(ConfigError, match="columns"):
        SheetSettings(columns=0)


@pytest.mark.parametrize(("count", "columns"), [(4, 2), (4, 4), (5, 1), (5, 3)])
def test_pictures_stand_in_rows(count: int, columns: int) -> None:
    pictures = [(str(index), Image.new("RGB", (200, 150), (10 * index, 0, 0))) for index in range(count)]
    made = contact_sheet(pictures, 100, columns)
    assert made.size[0] == columns * 102 + 2
    assert made.getpixel((2 + (count - 1) % columns * 102 + 50, made.size[1] - 50)) == (
        10 * (count - 1),
        0,
        0,
    )
    assert contact_sheet(pictures, 100, columns, labels=False).size[1] < made.size[1]


def test_the_command_names_what_it_shows(
    two_styles: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, output = make_clip(tmp_path / "a.mkv"), tmp_path / "s.jpg"
    with pytest.raises(SystemExit) as stopped:
        main(
            ["styles", "sheet", str(clip), str(output), "--style", "two", "--style", "none", "--width", "32"]
        )
    assert stopped.value.code == 0
    assert output.is_file() and "two, none" in " ".join(capsys.readouterr().out.split())
