"""The engine's invariants: nothing lost, nothing doubled, nothing left behind, whatever the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from small_runs import Failing, random_style, read, run
from torch import Tensor

from scenivid.engine import StylizeSettings, expected_frames, stylize
from scenivid.engine.chain import Chain
from scenivid.engine.shots import Pieces
from scenivid.engine.stages import Stopwatch
from scenivid.errors import OutputError
from scenivid.nets.lite import LiteParams
from scenivid.pixels import Clip
from scenivid.styles.zoo import load_style
from scenivid.video.open import open_video
from scenivid.video.writing.writer import WriterSettings, open_writer

IDENTITY = StylizeSettings(style="none", codec="ffv1", device="cpu")
FRAMES = 11


def test_identity_with_a_lossless_codec_is_lossless(clip: Path) -> None:
    before, times = read(clip)
    after, same = run(clip, "out.mkv", IDENTITY)
    assert torch.equal(before, after)
    assert times == same and len(times) == FRAMES


def test_frames_go_through_a_folder_without_loss(clip: Path, tmp_path: Path) -> None:
    report = stylize(clip, tmp_path / "frames", replace(IDENTITY, codec=None))
    assert report.frames == FRAMES
    back, _ = run(tmp_path / "frames", "back.mkv", IDENTITY)
    assert torch.equal(back, read(clip)[0])


def test_a_part_of_one_frame_may_become_a_picture(clip: Path) -> None:
    before, times = read(clip)
    short, settings = (times[1] - times[0]) / 2, replace(IDENTITY, codec=None)
    picture = clip.with_name("out.png")
    stylize(clip, picture, replace(settings, start=times[1] - times[0], duration=short))
    assert torch.equal(read(picture)[0], before[1:2])
    with pytest.raises(OutputError, match="holds one picture"):
        stylize(clip, clip.with_name("two.png"), replace(settings, duration=times[2] - times[0]))


@pytest.mark.parametrize("change", [{"batch": 1}, {"batch": 8}, {"tile": 64}], ids=str)
def test_batch_and_tiles_dont_show(clip: Path, style: str, change: dict[str, int]) -> None:
    settings = replace(IDENTITY, style=style, precision="fp32", tile="none", batch=3)
    usual, times = run(clip, "usual.mkv", settings)
    changed, same = run(clip, "changed.mkv", replace(settings, **change))
    assert (usual.int() - changed.int()).abs().max() <= 1
    assert times == same


@pytest.mark.parametrize("paint", ["full", 64])
def test_threads_dont_show(clip: Path, style: str, paint: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenivid.machine.cores.available", lambda: 2)
    settings = replace(IDENTITY, style=style, paint=paint)
    usual, times = run(clip, "usual.mkv", settings)
    serial, same = run(clip, "serial.mkv", replace(settings, serial=True))
    assert torch.equal(usual, serial) and times == same


def test_strength_goes_from_the_source_to_the_style(clip: Path, style: str) -> None:
    source, _ = read(clip)
    settings = replace(IDENTITY, style=style, precision="fp32", consistency=0.0)
    results = [
        run(clip, f"{strength}.mkv", replace(settings, strength=strength))[0]
        for strength in (0.0, 0.4, 0.7, 1.0)
    ]
    assert torch.equal(results[0], source)
    distances = [(result.float() - source.float()).abs().mean().item() for result in results]
    assert distances == sorted(distances) and distances[1] > 0.1


def test_a_style_with_a_dial_goes_from_the_source_to_the_style(clip: Path, tmp_path: Path) -> None:
    source, _ = read(clip)
    style = random_style(tmp_path, LiteParams(dial=True))
    settings = replace(IDENTITY, style=style, precision="fp32", consistency=0.0)
    distances = []
    for strength in (0.0, 0.1, 0.3, 0.6, 1.0):
        result, _ = run(clip, f"{strength}.mkv", replace(settings, strength=strength))
        distances.append((result.float() - source.float()).abs().mean().item())
    assert distances == sorted(distances) and distances[0] == 0 and distances[1] > 0.1


def test_a_stylizer_passed_in_at_full_strength_is_blended(clip: Path, tmp_path: Path) -> None:
    style = random_style(tmp_path, LiteParams(dial=True))
    settings = replace(IDENTITY, style=style, precision="fp32", consistency=0.0, strength=0.5)
    full, _ = run(clip, "full.mkv", replace(settings, strength=1.0))
    out = clip.with_name("passed.mkv")
    stylize(clip, out, settings, stylizer=load_style(style, torch.device("cpu"), "fp32"))
    blended = (read(clip)[0].float() + full.float()) / 2
    assert (read(out)[0].float() - blended).abs().max() <= 1


def test_start_and_duration_choose_frames_by_time(clip: Path) -> None:
    everything, times = read(clip)
    part, _ = run(clip, "part.mkv", replace(IDENTITY, start=Fraction(1, 10), duration=Fraction(1, 5)))
    chosen = [i for i, t in enumerate(times) if Fraction(1, 10) <= t - times[0] < Fraction(3, 10)]
    assert torch.equal(part, everything[chosen])


def test_the_report_says_what_was_done(clip: Path, style: str) -> None:
    report = stylize(clip, clip.with_name("out.mkv"), replace(IDENTITY, style=style))
    said = report.as_json()
    assert {"frames", "seconds", "fps", "output", "stages", "settings"} <= said.keys()
    assert set(said["stages"]) == {"decode", "translate", "flow", "steady", "finish", "encode"}
    assert said["frames"] == FRAMES and all(seconds > 0 for seconds in said["stages"].values())
    assert said["settings"]["flow"] == "dis" and said["settings"]["device"] == "cpu"


def test_a_large_frame_is_painted_small_and_keeps_its_size(clip: Path, style: str) -> None:
    report = stylize(clip, clip.with_name("out.mkv"), replace(IDENTITY, style=style, paint=64))
    assert report.settings["paint"] == "96x64"
    seen: list[tuple[int, ...]] = []

    class Looking(Failing):
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
    after, _ = read(clip.with_name("done.mkv"))
    before, _ = read(large)
    assert after.shape == before.shape
    assert (after.float() - before.float()).abs().mean() < 3


def _enlarged(source: Path, target: Path, times: int) -> None:
    with open_video(source) as reader:
        info = replace(reader.info, width=reader.info.width * times, height=reader.info.height * times)
        with open_writer(target, info, WriterSettings("ffv1")) as writer:
            for part in reader.clips(4):
                pixels = part.pixels.repeat_interleave(times, 2).repeat_interleave(times, 3)
                writer.write(Clip(pixels, part.pts, part.durations))


@pytest.mark.parametrize("tensors", [False, True])
def test_a_chain_goes_on_from_another_ones_state(clip: Path, style: str, tensors: bool) -> None:
    settings = replace(IDENTITY, style=style, precision="fp32", batch=1)
    with open_video(clip) as reader:
        clips = list(reader.clips(1))

    def chain() -> Chain:
        device, pieces = torch.device("cpu"), Pieces(5)
        return Chain.build(settings, device, None, (64, 96), torch.uint8, [], tensors=tensors, pieces=pieces)

    whole = chain()
    with whole.running(whole.parts(clips), Stopwatch()) as results:
        parts = list(results)
    second = chain()
    second.restore(parts[4].edges.after)
    with second.running(second.parts(clips[5:], first=5), Stopwatch()) as results:
        rest = list(results)
    assert [part.edges.ends for part in parts[3:6]] == [False, True, False] and not parts[3].edges.after
    for one, other in zip(parts[5:], rest, strict=True):
        assert torch.equal(one.source.pixels, other.source.pixels)


class _Tinting(Failing):
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


def test_progress_reaches_the_expected_number(clip: Path) -> None:
    told: list[tuple[int, int | None]] = []
    stylize(
        clip, clip.with_name("out.mkv"), replace(IDENTITY, batch=4), lambda done, of: told.append((done, of))
    )
    assert [done for done, _ in told] == list(range(1, FRAMES + 1))
    with open_video(clip) as reader:
        assert expected_frames(reader.info, None, None) == told[-1][1]


@pytest.mark.parametrize(
    ("start", "duration"), [("0", "0.3"), ("0.05", "0.3"), ("0.11", "0.25"), ("0.3", "9")]
)
def test_as_many_frames_are_expected_as_a_part_has(clip: Path, start: str, duration: str) -> None:
    part = Fraction(start), Fraction(duration)
    with open_video(clip, start=part[0], duration=part[1]) as reader:
        assert expected_frames(reader.info, *part) == sum(len(frames) for frames in reader.clips(1))


def test_ink_darkens_the_lines_of_a_style_that_draws_them(clip: Path, style: str) -> None:
    settings = replace(IDENTITY, style=style, precision="fp32", consistency=0.0)
    means = [
        run(clip, f"{ink}.mkv", replace(settings, ink=ink))[0].float().mean().item()
        for ink in (0.0, 0.6, 1.0)
    ]
    assert means == sorted(means, reverse=True) and means[0] > means[2]
    default, _ = run(clip, "default.mkv", settings)
    assert torch.equal(default, run(clip, "again.mkv", replace(settings, ink=0.6))[0])
