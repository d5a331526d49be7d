"""The guard: leaves that a network paints into a sky go, what a style may do stays, and nothing flickers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from small_runs import read
from torch import Tensor

from scenivid.engine import StylizeSettings, passage, stylize
from scenivid.engine.lanes.batches import Batch
from scenivid.engine.lanes.guard import EVERY, Guard, Watched, mask_at, watch
from scenivid.engine.lanes.planes import Frame
from scenivid.engine.lanes.tensors import Watch
from scenivid.engine.segments.states import load_states, save_states
from scenivid.engine.shots import Pieces
from scenivid.errors import ConfigError
from scenivid.nets.checkpoint import ModelCard
from scenivid.perception.regions import Picture, disagreement, regions
from scenivid.pixels import Clip

HEIGHT, WIDTH, FRAMES = 144, 256, 20


def landscape(shift: int = 0) -> Picture:
    """An even sky over stony ground, seen `shift` pixels further right; [3, h, w] in [0, 1]."""
    rng = np.random.default_rng(0)
    stones = np.kron(rng.random((HEIGHT // 4, 200)), np.ones((4, 4)))[:, shift : shift + WIDTH]
    height = np.linspace(0, 1, HEIGHT)[:, None]
    sky = np.stack([0.45 + 0.3 * height, 0.6 + 0.25 * height, 0.9 + 0 * height]) * np.ones((1, 1, WIDTH))
    ground = np.stack([0.5 * stones + 0.2, 0.4 * stones + 0.18, 0.35 * stones + 0.15])
    return np.where(height < 0.55, sky, ground).astype(np.float32)


def leaves(picture: Picture) -> Picture:
    """A flat painting of it, with foliage in the middle of its sky."""
    rng = np.random.default_rng(1)
    spots = np.kron(rng.random((HEIGHT // 3, WIDTH // 2 + 1)) > 0.5, np.ones((3, 2)))[:HEIGHT, :WIDTH]
    foliage = np.stack([0.12 + 0.2 * spots, 0.3 + 0.3 * spots, 0.08 + 0.15 * spots])
    place = np.zeros((HEIGHT, WIDTH), bool)
    place[10:70, 60:200] = True
    return np.where(place, foliage, np.round(picture * 6) / 6).astype(np.float32)


class Leafy:
    """A network with wrong ideas about skies."""

    card = ModelCard(name="leafy", architecture="own")
    multiple, radius, bytes_per_pixel, strength, paint_size, ink = 1, 0, 12.0, 1.0, None, None

    def translate(
        self, image: Tensor, cuts: Sequence[bool], state: object, tile: int | None
    ) -> tuple[Tensor, object]:
        return torch.stack([torch.from_numpy(leaves(one.numpy())) for one in image]), state


def wrong_share(source: Picture, styled: Picture) -> float:
    return float((disagreement(regions(source), regions(styled)) > 0.5).mean())


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty frames of the landscape, panning."""
    path = tmp_path_factory.mktemp("film") / "pan.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for index in range(FRAMES):
            pixels = (landscape(2 * index).transpose(1, 2, 0) * 255).round().astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def test_leaves_in_the_sky_go_and_the_rest_of_the_painting_stays(film: Path) -> None:
    settings = StylizeSettings(codec="ffv1", device="cpu", consistency=0.5)
    shares, made = {}, {}
    for guard in ("off", "on"):
        output = film.with_name(f"{guard}.mkv")
        stylize(film, output, replace(settings, guard=guard, overwrite=True), stylizer=Leafy())
        pixels = read(output)[0].numpy().astype(np.float32) / 255
        made[guard] = pixels
        shares[guard] = [wrong_share(landscape(2 * i), pixels[i]) for i in range(FRAMES)]
    assert np.mean(shares["off"]) > 0.15
    assert np.mean(shares["on"]) < 0.1 * np.mean(shares["off"])
    assert np.abs(made["on"][:, :, 100:] - made["off"][:, :, 100:]).max() < 0.02  # the ground


def test_both_lanes_do_the_same(film: Path) -> None:
    guard, frames = Guard(), [landscape(2 * i) for i in range(6)]
    clip = Clip(torch.zeros(1, 3, HEIGHT, WIDTH, dtype=torch.uint8), (Fraction(0),))
    one = [
        guard(Frame(clip, i, rgb=rgb, painted=leaves(rgb), cut=i == 4)).painted
        for i, rgb in enumerate(frames)
    ]
    whole = Clip(torch.zeros(6, 3, HEIGHT, WIDTH, dtype=torch.uint8), tuple(Fraction(i) for i in range(6)))
    batch = Batch(
        whole, 0, rgb=torch.from_numpy(np.stack(frames)), cuts=tuple(i == 4 for i in range(6)),
        styled=torch.from_numpy(np.stack([leaves(rgb) for rgb in frames])),
    )  # fmt: skip
    other = Watch()(batch).styled
    assert other is not None
    np.testing.assert_allclose(
        np.stack([frame for frame in one if frame is not None]), other.numpy(), atol=2e-3
    )


def test_a_painting_of_the_same_things_is_left_as_it_is() -> None:
    source = landscape()
    for painted in (source, np.round(source * 5) / 5, source[[0, 2, 1]] * 0.9, source**1.4):
        watched = watch(source, painted.astype(np.float32), None)
        assert watched.mask.mean() < 5e-4  # rough steps of colour at the horizon may look green
    assert mask_at(watch(source, source, None), source.shape[1:]) is None
    lines = np.concatenate([source, np.ones_like(source[:1])])
    frame = Frame(
        Clip(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), (Fraction(0),)), 0, rgb=source, painted=lines
    )
    assert Guard()(frame).painted is lines


def test_lines_fade_with_the_painting() -> None:
    source = landscape()
    painted = np.concatenate([leaves(source), np.ones_like(source[:1])])
    clip = Clip(torch.zeros(1, 3, HEIGHT, WIDTH, dtype=torch.uint8), (Fraction(0),))
    done = Guard()(Frame(clip, 0, rgb=source, painted=painted)).painted
    assert done is not None and done.shape == painted.shape
    assert done[3, 40, 130] < 0.2 and done[3, 130, 130] == 1


def test_the_mask_moves_by_steps_too_small_to_flicker_and_begins_anew_at_a_cut() -> None:
    source, watched, masks = landscape(), None, []
    for index in range(24):
        painted = leaves(source) if 6 <= index < 12 else source
        watched = watch(source, painted, watched)
        masks.append(watched.mask)
    steps = [float(np.abs(b - a).max()) for a, b in pairwise(masks)]
    assert max(steps) <= 0.31 and masks[5].max() == 0 and masks[11].max() > 0.8
    assert 0 < masks[-1].max() < 0.5  # it goes, more slowly
    assert watch(source, leaves(source), None).mask.max() > 0.9


def test_it_goes_on_after_a_stop_as_if_there_had_been_none(tmp_path: Path) -> None:
    clip = Clip(torch.zeros(1, 3, HEIGHT, WIDTH, dtype=torch.uint8), (Fraction(0),))
    frames = [
        Frame(clip, i, rgb=landscape(2 * i), painted=leaves(landscape(2 * i))) for i in range(3 * EVERY)
    ]
    guard = Guard()
    whole = [guard(frame).painted for frame in frames]
    first, second = Guard(), Guard()
    for frame in frames[: EVERY + 1]:
        first(frame)
    save_states((("guard", first.state()),), tmp_path / "states")
    state = load_states(tmp_path / "states")[0][1]
    assert isinstance(state, Watched)
    second.restore(state)
    for frame, wanted in zip(frames[EVERY + 1 :], whole[EVERY + 1 :], strict=True):
        painted = second(frame).painted
        assert painted is not None and wanted is not None and np.array_equal(painted, wanted)


def test_a_resumed_run_gives_the_bytes_of_a_whole_one(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "piece_lengths", lambda rate: Pieces(5))
    settings = StylizeSettings(codec="ffv1", device="cpu", guard="on", overwrite=True)
    whole, parts = film.with_name("whole.mkv"), film.with_name("parts.mkv")
    stylize(film, whole, settings, stylizer=Leafy())

    def stop(done: int, expected: int | None) -> None:
        if done == 12:
            raise KeyboardInterrupt

    resuming = replace(settings, resume=True)
    with pytest.raises(KeyboardInterrupt):
        stylize(film, parts, resuming, stop, stylizer=Leafy())
    with pytest.raises(ConfigError, match="guard was on, is off"):
        stylize(film, parts, replace(resuming, guard="off"), stylizer=Leafy())
    told: list[int] = []
    stylize(film, parts, resuming, lambda done, _: told.append(done), stylizer=Leafy())
    assert told[0] == 11 and parts.read_bytes() == whole.read_bytes()


def test_only_off_and_on_are_known() -> None:
    with pytest.raises(ConfigError, match="off or on"):
        StylizeSettings(guard="perhaps")
