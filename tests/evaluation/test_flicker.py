"""The whole measurement on small folders of frames whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from make_frames import panning, save, texture
from torch import Tensor

from scenivid.cli import main
from scenivid.errors import ConfigError, DataError
from scenivid.evaluation.flicker import FlickerSettings, e_warp, evaluate_flicker, motion_of
from scenivid.flow.dis import Dis

QUICK = FlickerSettings(device="cpu", perceptual=False)


def _flickering(source: Tensor, amount: float = 0.05) -> Tensor:
    return source * 1.1 - 0.05 + amount * (torch.arange(len(source)) % 2).reshape(-1, 1, 1, 1)


def test_e_warp_of_files_is_e_warp_in_memory(tmp_path: Path) -> None:
    source = panning(6)
    styled = _flickering(source)
    report = evaluate_flicker(save(tmp_path / "a", source), save(tmp_path / "b", styled), None, QUICK)
    motion = motion_of(source, Dis())
    assert report.value("e_warp") == pytest.approx(e_warp(styled, motion), rel=1e-3)
    assert report.value("e_warp", "source") == pytest.approx(e_warp(source, motion), rel=0.02, abs=1e-9)
    assert report.value("e_warp_over_source") == pytest.approx(
        e_warp(styled, motion) / e_warp(source, motion), rel=0.02
    )
    assert report.frames == 6 and report.flow == "dis"


def test_a_static_video_has_exactly_no_flicker(tmp_path: Path) -> None:
    still = save(tmp_path / "a", texture(40, 56).expand(7, -1, -1, -1))
    report = evaluate_flicker(still, still, still, QUICK)
    for key in ("e_warp", "e_warp_long", "tof", "vbench_minus_source"):
        assert report.value(key) == 0.0, key
    assert report.value("vbench_flicker") == 1.0
    assert report.value("e_warp_over_source") is None  # 0 / 0 is no number
    assert (report.value("sharpness_ratio"), report.value("psnr"), report.value("ssim")) == (1.0, 100.0, 1.0)


def test_excess_removed_is_0_for_per_frame_and_1_for_the_source_at_its_gain(tmp_path: Path) -> None:
    source = panning(6)
    styled = _flickering(source)
    a, b = save(tmp_path / "a", source), save(tmp_path / "b", styled)
    # gain 1.1 and no flicker: exactly what the definition calls a perfect output
    perfect = save(tmp_path / "c", source * 1.1 - 0.05)
    assert evaluate_flicker(a, b, b, QUICK).value("excess_removed") == 0.0
    report = evaluate_flicker(a, perfect, b, QUICK)
    assert report.gain == pytest.approx(1.1, abs=1e-3)
    assert report.value("excess_removed") == pytest.approx(1.0, abs=1e-3)
    assert report.value("detail_ratio") == pytest.approx(1.0, abs=1e-3)


def test_noise_does_not_raise_the_gain(tmp_path: Path) -> None:
    source = panning(6)
    noisy = (source * 0.8 + 0.05 * torch.randn(source.shape)).clamp(0, 1)
    a, b = save(tmp_path / "a", source), save(tmp_path / "b", noisy)
    gain = evaluate_flicker(a, b, b, QUICK).gain
    assert gain == pytest.approx(0.8, abs=0.02)


def test_blur_and_freeze_win_flicker_and_fail_the_guards(tmp_path: Path) -> None:
    source = panning(6, step=2)
    styled = _flickering(source)
    a, b = save(tmp_path / "a", source), save(tmp_path / "b", styled)
    blurred = save(tmp_path / "c", torch.nn.functional.avg_pool2d(styled, 7, 1, 3))
    report = evaluate_flicker(a, blurred, b, QUICK)
    assert report.value("sharpness_ratio") < 0.8 and report.warnings  # type: ignore[operator]
    frozen = save(tmp_path / "d", styled[:1].expand(6, -1, -1, -1))
    report = evaluate_flicker(a, frozen, b, QUICK)
    assert report.value("vbench_minus_source") > 0  # type: ignore[operator]
    assert report.value("psnr") < 30  # type: ignore[operator]
    assert report.value("tof") > 1  # type: ignore[operator]


def test_tof_is_farneback_beside_farneback_without_the_ends(tmp_path: Path) -> None:
    source, styled = panning(8, step=2), panning(8, step=1)
    report = evaluate_flicker(save(tmp_path / "a", source), save(tmp_path / "b", styled), None, QUICK)

    def grey(frame: Tensor) -> np.ndarray:
        rgb = (frame.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)

    def flow(frames: Tensor, t: int) -> np.ndarray:
        pair = grey(frames[t]), grey(frames[t + 1])
        return cv2.calcOpticalFlowFarneback(*pair, None, 0.5, 3, 15, 3, 5, 1.2, 0)

    expected = [
        np.sqrt(((flow(styled, t) - flow(source, t)) ** 2).sum(-1)).mean() for t in (2, 3, 4)
    ]  # frames 2..5 of 0..7
    assert report.value("tof") == pytest.approx(float(np.mean(expected)), rel=0.01)


def test_pairs_across_a_cut_do_not_count(tmp_path: Path) -> None:
    across = torch.linspace(0, 0.7, 64).expand(48, 64)
    down = torch.linspace(0, 0.7, 48)[:, None].expand(48, 64)
    bright, dark = 0.3 * panning(6, seed=1) + across, 0.2 * panning(6, seed=2) + down * torch.ones(3, 1, 1)
    dark = dark * torch.tensor([1.0, 0.5, 0.2]).reshape(3, 1, 1)
    both = torch.cat([bright, dark])
    whole = save(tmp_path / "a", both)
    report = evaluate_flicker(whole, whole, None, QUICK)
    assert report.cuts == (6,)
    curve = report.curves["e_warp"]["output"]
    assert len(curve) == 11 and curve[5] is None and None not in (*curve[:5], *curve[6:])
    parts = [
        evaluate_flicker(folder, folder, None, QUICK).value("e_warp_long")
        for folder in (save(tmp_path / "b", bright), save(tmp_path / "c", dark))
    ]
    assert report.value("e_warp_long") == pytest.approx(sum(parts) / 2, rel=1e-4)  # type: ignore[arg-type]


def test_json_is_strict_and_carries_every_metric(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", panning(3))
    report = evaluate_flicker(folder, folder, None, FlickerSettings(device="cpu", download=False))
    line = report.to_json()
    assert "\n" not in line
    plain = json.loads(line)
    assert plain["e_warp"] == plain["metrics"]["e_warp"]["output"]
    for key in ("tlp", "lpips", "clip_consistency", "dino_consistency"):
        assert plain[key] is None
        assert plain["metrics"][key]["note"].startswith("n/a")
    assert {len(row) for row in report.table()} == {5}


def test_a_part_is_measured_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, part = save(tmp_path / "a", panning(6)), save(tmp_path / "b", panning(6)[2:5])
    words = ["eval", "flicker", "--source", str(source), "--styled", str(part), "--json", "--device", "cpu"]
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--start", "0.08", "--duration", "0.125"])
    assert json.loads(capsys.readouterr().out)["e_warp"] is not None
    with pytest.raises(SystemExit, match="1"):
        main([*words, "--start", "0.08"])
    assert "give --start and --duration" in capsys.readouterr().err


def test_videos_that_do_not_fit_are_refused_in_one_line(tmp_path: Path) -> None:
    a, short = save(tmp_path / "a", panning(5)), save(tmp_path / "b", panning(4))
    with pytest.raises(DataError, match="ends after 4 frames"):
        evaluate_flicker(a, short, None, QUICK)
    other = save(tmp_path / "c", panning(5, width=66))
    with pytest.raises(DataError, match="66×48"):
        evaluate_flicker(a, other, None, QUICK)
    tiny = save(tmp_path / "d", panning(5, height=16, width=16))
    with pytest.raises(DataError, match="too small"):
        evaluate_flicker(tiny, tiny, None, QUICK)
    single = save(tmp_path / "e", panning(1))
    with pytest.raises(DataError, match="two"):
        evaluate_flicker(single, single, None, QUICK)
    with pytest.raises(ConfigError):
        evaluate_flicker(a, a, None, FlickerSettings(flow="none", perceptual=False))


def test_limits_start_and_size_are_obeyed(tmp_path: Path) -> None:
    from fractions import Fraction

    source = panning(8)
    a, b = save(tmp_path / "a", source), save(tmp_path / "b", source[4:])
    seen: list[tuple[int, int | None]] = []
    settings = FlickerSettings(device="cpu", perceptual=False, start=Fraction(4, 24))
    report = evaluate_flicker(a, b, None, settings, lambda done, total: seen.append((done, total)))
    assert report.value("psnr") is None and report.value("ssim") == pytest.approx(1.0)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    settings = FlickerSettings(device="cpu", perceptual=False, max_frames=3, long_side=48)
    report = evaluate_flicker(a, a, None, settings)
    assert (report.frames, report.width, report.height) == (3, 48, 36)


def test_error_over_eight_frames_sees_what_neighbours_hide(tmp_path: Path) -> None:
    source = texture(64, 96).expand(20, -1, -1, -1)
    drifting = source * 0.8 + 0.004 * torch.arange(20).view(-1, 1, 1, 1)
    report = evaluate_flicker(save(tmp_path / "a", source), save(tmp_path / "b", drifting), None, QUICK)
    near, far = report.value("e_warp"), report.value("e_warp_8")
    assert near is not None and far is not None
    assert far == pytest.approx(64 * near, rel=0.2)
    short = evaluate_flicker(
        save(tmp_path / "c", source[:6]), save(tmp_path / "d", drifting[:6]), None, QUICK
    )
    assert short.value("e_warp_8") is None
