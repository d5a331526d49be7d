"""HDR becomes SDR by known values: reference white, neutral greys, order kept."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import make_clips
import pytest
import torch
from identity import read

from scenivid.pixels import Clip
from scenivid.video.info import ColorInfo, VideoInfo
from scenivid.video.open import probe
from scenivid.video.tonemap import hlg_to_scene, light_to_pq, pq_to_light, roll_off, tonemap

PQ, HLG = "smpte2084", "arib-std-b67"


def _info(transfer: str, primaries: str = "bt2020") -> VideoInfo:
    return VideoInfo(
        path=Path("clip.mp4"),
        width=1,
        height=1,
        rotation=0,
        sample_aspect=Fraction(1),
        rate_hz=Fraction(25),
        frames=1,
        duration=None,
        start=Fraction(0),
        time_base=Fraction(1, 25),
        bit_depth=10,
        chroma="420",
        codec="hevc",
        container="mp4",
        stream_index=0,
        color=ColorInfo("bt2020nc", False, primaries, transfer, True),
        audio=(),
        subtitles=0,
    )


def _mapped(signal: torch.Tensor, transfer: str, primaries: str = "bt2020") -> torch.Tensor:
    """[3, N] signal in [0, 1] to [3, N] uint8."""
    pixels = (signal.double() * 65535).round().to(torch.int32).to(torch.uint16).view(1, 3, 1, -1)
    return tonemap(Clip(pixels, (Fraction(0),)), _info(transfer, primaries)).pixels.view(3, -1)


def test_pq_curve_has_the_values_of_the_standard() -> None:
    """ITU-R BT.2408, table 1: 203 cd/m² is 58 % PQ, 1000 cd/m² is 75 %, 100 cd/m² is 51 %."""
    light = torch.tensor([100.0, 203.0, 1000.0, 10000.0])
    assert light_to_pq(light).tolist() == pytest.approx([0.508, 0.581, 0.752, 1.0], abs=5e-4)
    assert pq_to_light(light_to_pq(light)).tolist() == pytest.approx(light.tolist(), rel=1e-4)


def test_hlg_curve_has_the_values_of_the_standard() -> None:
    """ITU-R BT.2100: 0.5 is a twelfth of the scene's peak; BT.2408: 75 % is 203 cd/m² on 1000."""
    assert hlg_to_scene(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0, 1 / 12, 1], abs=1e-4)
    assert float(1000 * hlg_to_scene(torch.tensor(0.75)) ** 1.2) == pytest.approx(203, abs=1)


def test_roll_off_keeps_the_dark_rises_and_ends_flat_at_white() -> None:
    light = torch.logspace(-2, 4, 2000, dtype=torch.float64)
    mapped = roll_off(light)
    assert mapped[light < 70].equal(light[light < 70])
    assert float((light - mapped)[light < 95].max()) < 1
    assert bool((mapped.diff() >= -1e-6).all())
    assert float(mapped[-1]) == pytest.approx(203, abs=1e-3)
    assert bool((mapped <= light + 1e-6).all())


@pytest.mark.parametrize(("transfer", "white"), [(PQ, float(light_to_pq(torch.tensor(203.0)))), (HLG, 0.75)])
def test_reference_white_is_bright_but_leaves_room_for_highlights(transfer: str, white: float) -> None:
    found = _mapped(torch.full((3, 1), white), transfer)
    assert bool(((found >= 220) & (found <= 240)).all())


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_greys_stay_neutral_and_in_order(transfer: str) -> None:
    ramp = torch.linspace(0, 1, 500).expand(3, 500)
    found = _mapped(ramp, transfer).int()
    assert bool((found.amax(0) - found.amin(0) <= 1).all())
    assert bool((found[0].diff() >= 0).all())
    assert int(found[0, 0]) == 0 and int(found[0, -1]) == 255
    assert len(found[0].unique()) > 150


def test_both_curves_agree_on_the_same_light() -> None:
    scene = torch.linspace(0.05, 0.95, 19).double()
    light = 1000 * hlg_to_scene(scene) ** 1.2
    one, other = _mapped(scene.expand(3, -1), HLG), _mapped(light_to_pq(light).expand(3, -1), PQ)
    assert int((one.int() - other.int()).abs().max()) <= 1


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_colours_outside_bt709_lose_saturation_not_hue(transfer: str) -> None:
    level = 0.4
    primaries = torch.eye(3) * level
    found = _mapped(primaries, transfer).int()
    assert found.argmax(0).tolist() == [0, 1, 2]
    assert bool((found.amin(0) <= 1).all())  # on the edge of the gamut, not clipped flat


def test_bt709_colours_sent_as_hdr_come_back() -> None:
    """A colour inside BT.709 and below the knee is only re-encoded: known light in, known code out."""
    linear = torch.tensor([[0.30], [0.05], [0.10]], dtype=torch.float64)  # of 203 cd/m²
    found = _mapped(light_to_pq(linear * 203), PQ, "bt709")
    assert found.view(-1).tolist() == (255 * linear ** (1 / 2.4)).round().view(-1).int().tolist()


@pytest.mark.parametrize("maker", [make_clips.hdr10, make_clips.hlg])
def test_a_made_clip_keeps_times_size_and_colours_apart(tmp_path: Path, maker) -> None:  # type: ignore[no-untyped-def]
    made = maker(tmp_path / "in.mp4")
    clip = read(made.path)
    found = tonemap(clip, probe(made.path))
    assert found.pts == clip.pts and found.durations == clip.durations
    assert found.pixels.shape == clip.pixels.shape and found.pixels.dtype is torch.uint8
    red, green, blue = found.pixels[0, :, 8, 8], found.pixels[0, :, 8, -8], found.pixels[0, :, -8, 8]
    assert [int(corner.argmax()) for corner in (red, green, blue)] == [0, 1, 2]


def test_sdr_is_refused() -> None:
    with pytest.raises(ValueError, match="not HDR"):
        tonemap(Clip(torch.zeros((1, 3, 2, 2), dtype=torch.uint8), (Fraction(0),)), _info("bt709"))
