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

from scenivid.devices import resolve_device
from scenivid.engine import StylizeSettings, expected_frames, stylize
from scenivid.engine.chain import Chain
from scenivid.engine.stages import Stopwatch
from scenivid.errors import ConfigError, InputError, OutputError, ScenividError
from scenivid.frames import Clip
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams
from scenivid.styles.zoo import load_style
from scenivid.video.open import open_video
from scenivid.video.writing.writer import WriterSettings, open_writer

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


@pytest.mark.parametrize("paint", ["full", 64])
def test_threads_dont_show(clip: Path, style: str, paint: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenivid.cores.available", lambda: 2)
    settings = replace(IDENTITY, style=style, paint=paint)
    usual, times = _run(clip, "usual.mkv", settings)
    serial, same = _run(clip, "serial.mkv", replace(settings, serial=True))
    assert torch.equal(usual, serial) and times == same


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
    assert set(said["stages"]) == {"decode", "translate", "flow", "steady", "finish", "encode"}
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


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken")], ids=repr)
def test_an_error_or_ctrl_c_leaves_nothing_behind(clip: Path, error: BaseException, serial: bool) -> None:
    output = clip.with_name("out.mkv")
    before = set(clip.parent.iterdir())
    threads = threading.active_count()
    with pytest.raises(type(error)):
        stylize(clip, output, replace(IDENTITY, serial=serial), stylizer=_Failing(error))
    assert set(clip.parent.iterdir()) == before
    assert threading.active_count() == threads


class _Broken(_Failing):
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
    source, _ = _read(clip)
    out = clip.with_name("out.mkv")
    report = stylize(clip, out, replace(IDENTITY, on_error="keep"), stylizer=_Broken(RuntimeError()))
    assert any("frame 4 " in note for note in report.notes)
    styled, _ = _read(out)
    assert torch.equal(styled[3], source[3])
    rest = [index for index in range(FRAMES) if index != 3]
    assert (styled[rest].float() - (255 - source[rest].float())).abs().mean() < 8


def test_a_large_frame_is_painted_small_and_keeps_its_size(clip: Path, style: str) -> None:
    report = stylize(clip, clip.with_name("out.mkv"), replace(IDENTITY, style=style, paint=64))
    assert report.settings["paint"] == "96x64"
    seen: list[tuple[int, ...]] = []

    class Looking(_Failing):
        def translate(
            self, image: Tensor, cuts: Sequence[bool], state: None, tile: int | None
        ) -> tuple[Tensor, None]:
            seen.append(tuple(image.shape[-2:]))
            return image, None

    settings = replace(IDENTITY, paint=64)
    large = clip.with_name("large.mkv")
    _enlarged(clip, large, 3)
    report = stylize(large, clip.with_name("done.mkv"), settings, stylizer=Looking(RuntimeError()))
    assert set(seen) == {(64, 96)} and report.settings["paint"] == "96x64"
    after, _ = _read(clip.with_name("done.mkv"))
    before, _ = _read(large)
    assert after.shape == before.shape
    assert (after.float() - before.float()).abs().mean() < 3


def _enlarged(source: Path, target: Path, times: int) -> None:
    with open_video(source) as reader:
        info = replace(reader.info, width=reader.info.width * times, height=reader.info.height * times)
        with open_writer(target, info, WriterSettings("ffv1")) as writer:
            for part in reader.clips(4):
                pixels = part.pixels.repeat_interleave(times, 2).repeat_interleave(times, 3)
                writer.write(Clip(pixels, part.pts, part.durations))


def test_a_chain_goes_on_from_another_ones_state(clip: Path, style: str) -> None:
    settings = replace(IDENTITY, style=style, precision="fp32")
    with open_video(clip) as reader:
        clips = list(reader.clips(1))

    def chain() -> Chain:
        return Chain.build(settings, torch.device("cpu"), None, (64, 96), torch.uint8, [])

    whole = chain()
    with whole.running(whole.parts(clips, mark=lambda number: number == 4), Stopwatch()) as results:
        parts = list(results)
    second = chain()
    second.restore(parts[4].states)
    with second.running(second.parts(clips[5:], first=5), Stopwatch()) as results:
        rest = list(results)
    assert not parts[3].states
    for one, other in zip(parts[5:], rest, strict=True):
        assert torch.equal(one.source.pixels, other.source.pixels)


class _Tinting(_Failing):
    """A style that changes contrast and colour, pixel by pixel."""

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: None, tile: int | None
    ) -> tuple[Tensor, None]:
        return image.pow(0.8) * image.new_tensor([0.95, 0.9, 0.7])[:, None, None] + 0.04, None


@pytest.mark.parametrize("paint", ["full", 64])
def test_the_way_over_tensors_shows_the_same(clip: Path, paint: int | str, device: torch.device) -> None:
    settings, style = replace(IDENTITY, paint=paint), _Tinting(RuntimeError())
    large = clip.with_name("large.mkv")
    _enlarged(clip, large, 2)
    with open_video(large) as reader:
        clips = list(reader.clips(3))
    results = []
    for tensors in (False, True):
        where = device if tensors else torch.device("cpu")
        chain = Chain.build(settings, where, style, (128, 192), torch.uint8, [], tensors=tensors)
        source = clips if tensors else [one for part in clips for one in _singles(part)]
        with chain.running(chain.parts(source), Stopwatch()) as parts:
            results.append(torch.cat([part.source.pixels for part in parts]))
    assert (results[0].float() - results[1].float()).abs().mean() < 1.5


def _singles(clip: Clip) -> list[Clip]:
    return [Clip(clip.pixels[i : i + 1], clip.pts[i : i + 1]) for i in range(len(clip))]


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
    assert [done for done, _ in told] == list(range(1, FRAMES + 1))
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
