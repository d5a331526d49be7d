"""The engine's invariants: nothing lost, nothing doubled, nothing left behind, whatever the settings."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from scenivid.engine import StylizeSettings, expected_frames, resolve_device, stylize
from scenivid.errors import ConfigError, InputError, OutputError, ScenividError
from scenivid.frames import Clip
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams
from scenivid.stages import Encoding, Stopwatch
from scenivid.styles.zoo import load_style
from scenivid.video.open import open_video

IDENTITY = StylizeSettings(style="none", codec="ffv1", device="cpu")
FRAMES = 11


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Eleven frames of moving colour, lossless, with an uneven rate."""
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "bgr0"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        y, x = np.mgrid[:64, :96]
        for index in range(FRAMES):
            bands = [127 + 120 * np.sin((x + k * y + 5 * index) / (7 + 3 * k)) for k in range(3)]
            frame = av.VideoFrame.from_ndarray(np.dstack(bands).astype(np.uint8), "rgb24").reformat(
                format="bgr0"
            )
            frame.pts, frame.time_base = 40 * index + 3 * (index % 3), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def _random_style(folder: Path, params: LiteParams) -> str:
    """A lite network with random weights: it changes pictures visibly, and depends on its surroundings."""
    network = Lite(params)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    path = folder / "random.safetensors"
    save_checkpoint(path, network, ModelCard(name="random", architecture="lite", params=vars(params)))
    return str(path)


@pytest.fixture
def style(tmp_path: Path) -> str:
    return _random_style(tmp_path, LiteParams())


def _read(path: Path) -> tuple[Tensor, list[Fraction]]:
    with open_video(path) as reader:
        clips = list(reader.clips(4))
    return torch.cat([clip.pixels for clip in clips]), [pts for clip in clips for pts in clip.pts]


def _run(clip: Path, name: str, settings: StylizeSettings) -> tuple[Tensor, list[Fraction]]:
    output = clip.with_name(name)
    stylize(clip, output, settings)
    return _read(output)


def test_identity_with_a_lossless_codec_is_lossless(clip: Path) -> None:
    before, times = _read(clip)
    after, same = _run(clip, "out.mkv", IDENTITY)
    assert torch.equal(before, after)
    assert times == same and len(times) == FRAMES


def test_frames_go_through_a_folder_without_loss(clip: Path, tmp_path: Path) -> None:
    report = stylize(clip, tmp_path / "frames", replace(IDENTITY, codec=None))
    assert report.frames == FRAMES
    back, _ = _run(tmp_path / "frames", "back.mkv", IDENTITY)
    assert torch.equal(back, _read(clip)[0])


@pytest.mark.parametrize("change", [{"batch": 1}, {"batch": 8}, {"tile": 64}], ids=str)
def test_batch_and_tiles_dont_show(clip: Path, style: str, change: dict[str, int]) -> None:
    settings = replace(IDENTITY, style=style, precision="fp32", tile="none", batch=3)
    usual, times = _run(clip, "usual.mkv", settings)
    changed, same = _run(clip, "changed.mkv", replace(settings, **change))
    assert (usual.int() - changed.int()).abs().max() <= 1
    assert times == same


def test_strength_goes_from_the_source_to_the_style(clip: Path, style: str) -> None:
    source, _ = _read(clip)
    settings = replace(IDENTITY, style=style, precision="fp32", consistency=0.0)
    results = [
        _run(clip, f"{strength}.mkv", replace(settings, strength=strength))[0]
        for strength in (0.0, 0.4, 0.7, 1.0)
    ]
    assert torch.equal(results[0], source)
    distances = [(result.float() - source.float()).abs().mean().item() for result in results]
    assert distances == sorted(distances) and distances[1] > 0.1


def test_a_style_with_a_dial_goes_from_the_source_to_the_style(clip: Path, tmp_path: Path) -> None:
    source, _ = _read(clip)
    style = _random_style(tmp_path, LiteParams(dial=True))
    settings = replace(IDENTITY, style=style, precision="fp32", consistency=0.0)
    distances = []
    for strength in (0.0, 0.1, 0.3, 0.6, 1.0):
        result, _ = _run(clip, f"{strength}.mkv", replace(settings, strength=strength))
        distances.append((result.float() - source.float()).abs().mean().item())
    assert distances == sorted(distances) and distances[0] == 0 and distances[1] > 0.1


def test_a_stylizer_passed_in_at_full_strength_is_blended(clip: Path, tmp_path: Path) -> None:
    style = _random_style(tmp_path, LiteParams(dial=True))
    settings = replace(IDENTITY, style=style, precision="fp32", consistency=0.0, strength=0.5)
    full, _ = _run(clip, "full.mkv", replace(settings, strength=1.0))
    out = clip.with_name("passed.mkv")
    stylize(clip, out, settings, stylizer=load_style(style, torch.device("cpu"), "fp32"))
    blended = (_read(clip)[0].float() + full.float()) / 2
    assert (_read(out)[0].float() - blended).abs().max() <= 1


def test_start_and_duration_choose_frames_by_time(clip: Path) -> None:
    everything, times = _read(clip)
    part, _ = _run(clip, "part.mkv", replace(IDENTITY, start=Fraction(1, 10), duration=Fraction(1, 5)))
    chosen = [i for i, t in enumerate(times) if Fraction(1, 10) <= t - times[0] < Fraction(3, 10)]
    assert torch.equal(part, everything[chosen])


def test_the_report_says_what_was_done(clip: Path, style: str) -> None:
    report = stylize(clip, clip.with_name("out.mkv"), replace(IDENTITY, style=style))
    said = report.as_json()
    assert {"frames", "seconds", "fps", "output", "stages", "settings"} <= said.keys()
    assert set(said["stages"]) == {"decode", "translate", "flow", "steady", "encode"}
    assert said["frames"] == FRAMES and all(seconds > 0 for seconds in said["stages"].values())
    assert said["settings"]["flow"] == "dis" and said["settings"]["device"] == "cpu"


class _Failing:
    """A style that breaks at its second call."""

    card = ModelCard(name="failing", architecture="lite")
    multiple, radius, bytes_per_pixel, strength, paint_size, ink = 1, 0, 1.0, 1.0, None, None

    def __init__(self, error: BaseException) -> None:
        self.error, self.calls = error, 0

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: None, tile: int | None
    ) -> tuple[Tensor, None]:
        self.calls += 1
        if self.calls > 1:
            raise self.error
        return image, None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken")], ids=repr)
def test_an_error_or_ctrl_c_leaves_nothing_behind(clip: Path, error: BaseException) -> None:
    output = clip.with_name("out.mkv")
    before = set(clip.parent.iterdir())
    threads = threading.active_count()
    with pytest.raises(type(error)):
        stylize(clip, output, replace(IDENTITY, batch=2), stylizer=_Failing(error))
    assert set(clip.parent.iterdir()) == before
    assert threading.active_count() == threads


def test_an_existing_output_survives_without_overwrite_and_after_an_error(clip: Path) -> None:
    output = clip.with_name("out.mkv")
    output.write_text("precious")
    with pytest.raises(OutputError, match="overwrite"):
        stylize(clip, output, IDENTITY)
    with pytest.raises(RuntimeError):
        stylize(clip, output, replace(IDENTITY, overwrite=True, batch=1), stylizer=_Failing(RuntimeError()))
    assert output.read_text() == "precious"


def test_input_as_output_is_refused(clip: Path) -> None:
    content = clip.read_bytes()
    with pytest.raises(OutputError):
        stylize(clip, clip, replace(IDENTITY, overwrite=True))
    assert clip.read_bytes() == content


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.mp4"):
        stylize(tmp_path / "nothing.mp4", tmp_path / "out.mp4", IDENTITY)


class _Slow:
    """Counts what waits for it; fails if told to."""

    def __init__(self, fail: bool = False) -> None:
        self.gate, self.written, self.fail = threading.Event(), 0, fail

    def write(self, clip: Clip) -> None:
        self.gate.wait(10)
        if self.fail:
            raise OutputError("disk full")
        self.written += 1


def _clip() -> Clip:
    return Clip(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), (Fraction(0),))


def test_the_encoder_s_queue_is_bounded() -> None:
    writer = _Slow()
    handed = 0

    def feed() -> None:
        nonlocal handed
        with Encoding(writer, Stopwatch(torch.device("cpu"))) as encoding:
            for _ in range(20):
                encoding.put(_clip().pixels, _clip())
                handed += 1

    thread = threading.Thread(target=feed)
    thread.start()
    thread.join(0.3)
    assert handed <= 4
    writer.gate.set()
    thread.join(10)
    assert handed == writer.written == 20


def test_an_error_of_the_encoder_reaches_the_caller() -> None:
    writer = _Slow(fail=True)
    writer.gate.set()
    with (
        pytest.raises(OutputError, match="disk full"),
        Encoding(writer, Stopwatch(torch.device("cpu"))) as encoding,
    ):
        for _ in range(20):
            encoding.put(_clip().pixels, _clip())


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "mps"])
def test_a_device_that_isnt_there_is_a_clear_error(name: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        resolve_device(name)


def test_settings_check_themselves() -> None:
    for wrong in ({"strength": 1.5}, {"consistency": -0.1}, {"batch": 0}, {"duration": Fraction(0)}):
        with pytest.raises(ScenividError):
            StylizeSettings(**wrong)


def test_progress_reaches_the_expected_number(clip: Path) -> None:
    told: list[tuple[int, int | None]] = []
    stylize(
        clip, clip.with_name("out.mkv"), replace(IDENTITY, batch=4), lambda done, of: told.append((done, of))
    )
    assert [done for done, _ in told] == [4, 8, 11]
    with open_video(clip) as reader:
        assert expected_frames(reader.info, None, None) == told[-1][1]


def test_ink_darkens_the_lines_of_a_style_that_draws_them(clip: Path, style: str) -> None:
    settings = replace(IDENTITY, style=style, precision="fp32", consistency=0.0)
    means = [
        _run(clip, f"{ink}.mkv", replace(settings, ink=ink))[0].float().mean().item()
        for ink in (0.0, 0.6, 1.0)
    ]
    assert means == sorted(means, reverse=True) and means[0] > means[2]
    default, _ = _run(clip, "default.mkv", settings)
    assert torch.equal(default, _run(clip, "again.mkv", replace(settings, ink=0.6))[0])


def test_ink_lies_between_0_and_1() -> None:
    with pytest.raises(ConfigError, match="ink"):
        StylizeSettings(ink=1.5)
