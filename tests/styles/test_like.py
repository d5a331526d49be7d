"""--like: a picture's palette and tone on top of any style, steady within a shot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scenes import pan, texture
from small_runs import IDENTITY, read, run
from torch import Tensor

from scenivid.batch.jobs import find_jobs, run_jobs
from scenivid.engine import stylize
from scenivid.engine.made import Made
from scenivid.errors import InputError
from scenivid.evaluation.flicker import FlickerSettings, evaluate_flicker
from scenivid.perception.palette import (
    identity_map,
    map_between,
    map_colours,
    palette_distance,
    palette_of,
)
from scenivid.styles.like import EASE, LikeStylizer, Untouched, colour_cube, like, through_cube

SHOT = 5


def evening(seed: int = 5) -> Tensor:
    """A picture in dark blue and orange, [1, 3, 60, 90]."""
    light = texture(60, 90, seed).mean(1, keepdim=True)
    return torch.cat([0.15 + 0.8 * light**2, 0.1 + 0.5 * light**2, 0.35 - 0.2 * light], 1)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return saved(evening(), tmp_path / "evening.png")


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """Two panning shots of different colours, as a folder of frames."""
    first, second = pan(SHOT, 64, 80, 2, seed=1), pan(SHOT, 64, 80, 3, seed=2)
    second = 0.25 + 0.7 * second * torch.tensor([0.6, 1.0, 0.8])[:, None, None]
    (tmp_path / "frames").mkdir()
    for index, frame in enumerate(torch.cat([first * 0.6, second])):
        saved(frame[None], tmp_path / "frames" / f"{index:03d}.png")
    return tmp_path / "frames"


def saved(image: Tensor, path: Path) -> Path:
    pixels = (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(path)
    return path


def test_the_map_brings_a_palette_to_another() -> None:
    source, target = texture(60, 90), evening()
    before = palette_distance([source], [target])
    mapped = map_colours(source, map_between(palette_of([source]), palette_of([target])))
    assert palette_distance([mapped], [target]) < 0.25 * before
    assert palette_distance([target], [target]) == 0


def test_the_map_of_a_palette_to_itself_changes_little() -> None:
    image = 0.1 + 0.8 * texture(60, 90)
    mapped = map_colours(image, map_between(palette_of([image]), palette_of([image])))
    assert (mapped - image).abs().mean() < 0.02
    torch.testing.assert_close(map_colours(image, identity_map()), image, atol=1e-3, rtol=0)


def test_brighter_stays_brighter() -> None:
    grey = torch.linspace(0, 1, 256)[None, None, None].expand(1, 3, 1, 256)
    light = map_colours(grey, map_between(palette_of([texture(60, 90)]), palette_of([evening()])))
    assert (light.mean(1).diff() >= -1e-4).all()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_make_finite_maps(level: float) -> None:
    flat = torch.full((1, 3, 40, 60), level)
    for one, other in ((flat, evening()), (evening(), flat), (flat, flat)):
        assert torch.isfinite(map_colours(one, map_between(palette_of([one]), palette_of([other])))).all()


def test_the_cube_of_colours_is_near_the_map() -> None:
    image = texture(60, 90)
    tone = map_between(palette_of([image]), palette_of([evening()]))
    apart = (through_cube(image, colour_cube(tone)) - map_colours(image, tone)).abs()
    assert apart.mean() < 2e-3 and apart.max() < 0.02


def test_a_shot_has_one_map_whatever_moves_in_it() -> None:
    style, frames = LikeStylizer(Untouched(), palette_of([evening()])), pan(6, 64, 96, 3)
    whole, _ = style.translate(frames, [True] + [False] * 5, None, None)
    state, single = None, []
    for index, frame in enumerate(torch.split(frames, 1)):
        styled, state = style.translate(frame, [index == 0], state, None)
        single.append(styled)
    assert torch.equal(torch.cat(single), whole)
    same = whole[0, :, :, 3:], whole[1, :, :, :-3]
    assert torch.equal(*same)  # a point keeps its colour


def test_a_fade_moves_the_map_slowly() -> None:
    style = LikeStylizer(Untouched(), palette_of([evening()]))
    scene = texture(32, 48)
    levels = [0.0] * 3 + [(index + 1) / 10 for index in range(10)] + [1.0] * (10 * EASE)
    frames = torch.cat([scene * level for level in levels])
    styled, _ = style.translate(frames, [True] + [False] * (len(levels) - 1), None, None)
    steps = styled.mean((1, 2, 3)).diff().abs()
    assert steps.max() < 0.15
    assert steps[-1] < 1e-6  # it has arrived
    whole, _ = style.translate(scene, [True], None, None)
    assert (styled[-1:] - whole).abs().max() < 0.02


def test_no_flicker_is_added_and_the_palette_is_nearer(footage: Path, picture: Path, style: str) -> None:
    settings = replace(IDENTITY, style=style, codec=None, overwrite=True)
    results = {}
    for name, liked in (("plain", None), ("like", picture)):
        output = footage.with_name(f"{name}.mkv")
        stylize(footage, output, replace(settings, like=liked, codec="ffv1"))
        report = evaluate_flicker(
            footage, output, settings=FlickerSettings(device="cpu", perceptual=False, download=False)
        )
        row = next(row for row in report.rows if row.key == "e_warp")
        pixels, _ = read(output)
        frames = list(torch.split(pixels.float() / 255, 1))
        results[name] = row.values["output"], palette_distance(frames, [evening()])
    assert results["like"][0] < 1.02 * results["plain"][0]
    assert results["like"][1] < 0.5 * results["plain"][1]


@pytest.mark.parametrize("lossy", [False, True], ids=["rgb", "yuv"])
def test_without_a_style_the_source_takes_the_palette(footage: Path, picture: Path, lossy: bool) -> None:
    settings = replace(IDENTITY, codec="h264" if lossy else "ffv1")
    source, _ = run(footage, "none.mkv", settings)
    liked, _ = run(footage, "like.mkv", replace(settings, like=picture))
    half, _ = run(footage, "half.mkv", replace(settings, like=picture, strength=0.5))
    target = [evening()]
    before, after, between = (
        palette_distance(list(torch.split(pixels.float() / 255, 1)), target)
        for pixels in (source, liked, half)
    )
    assert after < 0.65 * before and after < between < before


def test_a_changed_picture_is_another_result(footage: Path, picture: Path) -> None:
    settings = replace(IDENTITY, like=picture)
    before = Made.of(footage, settings, None)
    assert not before.differences(Made.of(footage, settings, None))
    saved(evening(9), picture)
    assert "like was" in before.differences(Made.of(footage, settings, None))[0]


def test_a_batch_takes_a_palette(footage: Path, picture: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    footage.rename(clips / "a")
    results = list(run_jobs(find_jobs(clips, tmp_path / "out", replace(IDENTITY, codec=None, like=picture))))
    assert [result.status for result in results] == ["done"]


def test_a_picture_that_is_none_is_one_clear_error(tmp_path: Path, footage: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for name, says in (("text.png", "not an image"), ("none.png", "no such file")):
        with pytest.raises(InputError, match=says):
            like(None, tmp_path / name)
        with pytest.raises(InputError, match=says):
            stylize(footage, tmp_path / "out.mkv", replace(IDENTITY, like=tmp_path / name))
    assert not (tmp_path / "out.mkv").exists()


def test_grey_pictures_make_grey_results() -> None:
    grey = texture(40, 60).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    styled, _ = LikeStylizer(Untouched(), palette_of([grey])).translate(texture(64, 96), [True], None, None)
    spread = np.asarray(styled.amax(1) - styled.amin(1))
    source = texture(64, 96)
    assert spread.mean() < 0.45 * float((source.amax(1) - source.amin(1)).mean())
