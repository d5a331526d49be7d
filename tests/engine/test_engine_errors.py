"""What goes wrong in the loop: named, nothing half-written, nothing lost, no thread left."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from small_runs import Failing, read
from torch import Tensor

from scenivid.engine import StylizeSettings, stylize
from scenivid.errors import ConfigError, InputError, OutputError, ScenividError
from scenivid.machine.devices import resolve_device
from scenivid.styles.onnx.options import OnnxOptions

IDENTITY = StylizeSettings(style="none", codec="ffv1", device="cpu")
FRAMES = 11


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken")], ids=repr)
def test_an_error_or_ctrl_c_leaves_nothing_behind(clip: Path, error: BaseException, serial: bool) -> None:
    output = clip.with_name("out.mkv")
    before = set(clip.parent.iterdir())
    threads = threading.active_count()
    with pytest.raises(type(error)):
        stylize(clip, output, replace(IDENTITY, serial=serial), stylizer=Failing(error))
    assert set(clip.parent.iterdir()) == before
    assert threading.active_count() == threads


class _Broken(Failing):
    """A style that gives a value that is no number at its fourth frame."""

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: None, tile: int | None
    ) -> tuple[Tensor, None]:
        self.calls += 1
        styled = 1 - image
        if self.calls == 4:
            styled[0, 0, 5, 5] = float("nan")
        return styled, None


def test_a_value_that_is_no_number_names_the_frame(clip: Path) -> None:
    with pytest.raises(ScenividError, match="frame 4 "):
        stylize(clip, clip.with_name("out.mkv"), IDENTITY, stylizer=_Broken(RuntimeError()))
    assert not clip.with_name("out.mkv").exists()


def test_a_frame_that_is_kept_doesnt_spoil_the_others(clip: Path) -> None:
    source, _ = read(clip)
    out = clip.with_name("out.mkv")
    report = stylize(clip, out, replace(IDENTITY, on_error="keep"), stylizer=_Broken(RuntimeError()))
    assert any("frame 4 " in note for note in report.notes)
    styled, _ = read(out)
    assert torch.equal(styled[3], source[3])
    rest = [index for index in range(FRAMES) if index != 3]
    assert (styled[rest].float() - (255 - source[rest].float())).abs().mean() < 8


def test_an_existing_output_survives_without_overwrite_and_after_an_error(clip: Path) -> None:
    output = clip.with_name("out.mkv")
    output.write_text("precious")
    with pytest.raises(OutputError, match="overwrite"):
        stylize(clip, output, IDENTITY)
    with pytest.raises(RuntimeError):
        stylize(clip, output, replace(IDENTITY, overwrite=True, batch=1), stylizer=Failing(RuntimeError()))
    assert output.read_text() == "precious"


def test_input_as_output_is_refused(clip: Path) -> None:
    content = clip.read_bytes()
    with pytest.raises(OutputError):
        stylize(clip, clip, replace(IDENTITY, overwrite=True))
    assert clip.read_bytes() == content


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.mp4"):
        stylize(tmp_path / "nothing.mp4", tmp_path / "out.mp4", IDENTITY)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "mps"])
def test_a_device_that_isnt_there_is_a_clear_error(name: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        resolve_device(name)


def test_settings_check_themselves() -> None:
    for wrong in ({"strength": 1.5}, {"consistency": -0.1}, {"batch": 0}, {"duration": Fraction(0)}):
        with pytest.raises(ScenividError):
            StylizeSettings(**wrong)


def test_ink_lies_between_0_and_1() -> None:
    with pytest.raises(ConfigError, match="ink"):
        StylizeSettings(ink=1.5)


def test_options_that_mean_nothing_to_the_style_or_output_are_errors(clip: Path) -> None:
    before = set(clip.parent.iterdir())
    with pytest.raises(ConfigError, match=r"--onnx-\* options are for ONNX networks, and none is none"):
        stylize(clip, clip.with_name("out.mkv"), replace(IDENTITY, onnx=OnnxOptions(layout="nhwc")))
    for name in ("out.mkv", "out.y4m", "out"):
        with pytest.raises(ConfigError, match=f"--stream is for the standard output .*{name} is none"):
            stylize(clip, clip.with_name(name), replace(IDENTITY, codec=None, stream="y4m"))
    assert set(clip.parent.iterdir()) == before
