"""Rendered clips: the flow they announce is the flow they show."""

from __future__ import annotations

import pytest
import torch
from make_frames import texture
from suite.synthetic import Path2D, Scene

from scenivid.errors import ConfigError
from scenivid.evaluation.warping import e_warp, fetch, pair_flow, warp_error

SIZE = (48, 64)


def _scene(camera: Path2D, walker: Path2D | None = None, noise: float = 0.0) -> Scene:
    return Scene(texture(140, 160), SIZE, 6, camera, walker, noise=noise)


def test_a_whole_pixel_pan_shows_the_photograph_moved() -> None:
    scene = _scene(Path2D(pan=(2.0, 0.0)))
    assert torch.allclose(scene.frame(1)[..., :-2], scene.frame(0)[..., 2:], atol=1e-5)
    flow = scene.flow(0, 1)
    assert torch.allclose(flow, torch.tensor([-2.0, 0.0]).reshape(1, 2, 1, 1).expand_as(flow), atol=1e-5)


@pytest.mark.parametrize(
    "camera",
    [
        Path2D(pan=(1.3, -0.4)),
        Path2D(zoom=1.02),
        Path2D(turn=1.5),
        Path2D((0.5, 0.2), (3, 2), 0.99, 0.7, 1.0),
    ],
)
def test_the_flow_brings_any_frame_onto_any_other(camera: Path2D) -> None:
    scene = _scene(camera)
    for one, other in ((0, 1), (4, 2), (0, 5)):
        moved = fetch(scene.frame(other), scene.flow(one, other))
        error = (moved - scene.frame(one)).abs()[..., 12:-12, 16:-16]
        assert float(error.mean()) < 0.006  # what bilinear fetching loses of a bicubic picture
        assert float((scene.frame(other) - scene.frame(one)).abs().mean()) > 0.01


def test_flow_there_and_back_is_nothing() -> None:
    scene = _scene(Path2D((1.0, 0.5), zoom=1.01, turn=0.5, tremor=0.5))
    there, back = scene.flow(1, 3), scene.flow(3, 1)
    inner = (there + fetch(back, there))[..., 8:-8, 8:-8]
    assert float(inner.abs().max()) < 1e-3


def test_the_disc_moves_on_its_own_and_hides_what_is_behind() -> None:
    scene = _scene(Path2D(pan=(1.0, 0.0)), Path2D(pan=(4.0, 0.0), start=(-12.0, 0.0)))
    flow = scene.flow(0, 1)[0, :, 24]
    assert flow[0, 20] == pytest.approx(4.0, abs=1e-4)  # on the disc
    assert flow[0, 60] == pytest.approx(-1.0, abs=1e-4)  # beside it
    hidden = scene.hidden(0, 1)
    assert 0 < float(hidden.float().mean()) < 0.1
    pair = pair_flow(scene.flow(0, 1), scene.flow(1, 0))
    assert not bool((pair.visible & hidden).float().mean() > 0.005)  # the mask finds the occlusion
    assert float(warp_error(scene.frame(0), scene.frame(1), pair)) < 1e-4


def test_noise_is_fixed_for_a_frame_and_fresh_between_frames() -> None:
    scene = _scene(Path2D(), noise=0.02)
    assert torch.equal(scene.frame(1), scene.frame(1))
    pairs = [pair_flow(scene.flow(t, t + 1), scene.flow(t + 1, t)) for t in range(5)]
    frames = torch.cat([scene.frame(t) for t in range(6)])
    assert e_warp(frames, pairs) == pytest.approx(2 * 0.02**2, rel=0.1)  # variance of a difference


def test_a_scene_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError):
        Scene(texture(40, 40), (8, 8), 5, Path2D())
