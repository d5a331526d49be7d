"""Suites: read strictly, run end to end, written as Markdown from what was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from make_frames import panning, save, texture
from suite.page import write_results
from suite.run import run_suite
from suite.spec import ClipSpec, StyleSpec, Suite, load_suite, only
from suite.synthetic import Path2D

from scenivid.errors import ConfigError, DataError
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams

SUITES = Path(__file__).resolve().parents[2] / "eval" / "suites"


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_suite_of_the_repository_can_be_read(path: Path) -> None:
    suite = load_suite(path)
    assert suite.name == path.stem and suite.clips and suite.styles


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frames = 3", "at least one"),
        ("fames = 3\n[[clips]]\nname='a'\npath='x'\n[[styles]]\nname='b'", "unknown recipe key fames"),
        ("[[clips]]\nname='a'\n[[styles]]\nname='b'", "either a path or a photo"),
        ("[[clips]]\nname='a'\nphoto='x'\n[[styles]]\nname='b'", "needs a camera"),
        ("[[clips]]\nname='a'\npath='x'\n[[clips]]\nname='a'\npath='y'\n[[styles]]\nname='b'", "two clips"),
        (
            "[[clips]]\nname='a'\nphoto='x'\ncamera={pann=1}\n[[styles]]\nname='b'",
            r"clips\[0\].camera.pann",
        ),
        ("a = ", "can't be read"),
    ],
)
def test_a_suite_that_makes_no_sense_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_suite(path)


def test_a_part_of_a_suite_is_named() -> None:
    suite = load_suite(SUITES / "coherence.toml")
    part = only(suite, ["flower", "walker"], ["aozora"])
    assert [clip.name for clip in part.clips] == ["flower", "walker"] and len(part.styles) == 1
    assert only(suite) == suite
    with pytest.raises(ConfigError, match="has no 'flour'"):
        only(suite, ["flour"])


@pytest.fixture
def style(tmp_path: Path) -> Path:
    """A small lite network that does something to the picture."""
    params = LiteParams(widths=(16, 16, 16), middle_dilations=(1,), decode_blocks=(1, 1))
    network = Lite(params)
    with torch.no_grad():
        network.out.weight.normal_(std=0.03)
    card = ModelCard("toy", "lite", params=vars(params))
    save_checkpoint(tmp_path / "toy.safetensors", network, card)
    return tmp_path / "toy.safetensors"


def test_a_suite_runs_and_its_page_says_what_was_measured(tmp_path: Path, style: Path) -> None:
    data = tmp_path / "data"
    save(data / "clip", panning(6, height=64, width=96))
    photo = (texture(120, 160)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    cv2.imwrite(str(data / "photo.png"), photo)
    walker = Path2D(pan=(4.0, 0.0), start=(-20.0, 0.0))
    suite = Suite(
        name="toy",
        clips=(
            ClipSpec("real", path="clip"),
            ClipSpec("walker", photo="photo.png", camera=Path2D(pan=(0.5, 0.0)), walker=walker, frames=10),
            ClipSpec("absent", path="nowhere.mp4"),
        ),
        styles=(
            StyleSpec("noisy", style=str(style), flicker=2.0, goal=0.9),
            StyleSpec("unknown", style="no-such-style"),
        ),
        frames=6,
        long_side=96,
    )
    result = run_suite(suite, data, device="cpu")
    assert [(o.clip, o.flow) for o in result.outcomes] == [
        ("real", "blend"),
        ("real", "dis"),
        ("walker", "blend"),
        ("walker", "dis"),
    ]
    assert len(result.left_out) == 2 and "absent" in " ".join(result.left_out)
    real, walking = result.outcomes[1], result.outcomes[3]
    assert (real.report.flow, walking.report.flow) == ("dis", "exact")
    assert real.report.frames == 6 and walking.report.frames == 10
    assert real.ghost is None and walking.ghost is not None and walking.ghost > 0
    assert real.report.value("e_warp_over_per_frame") < 1  # type: ignore[operator]
    (crop,) = result.crops
    assert crop.columns == ("source", "per-frame", "dis")
    assert crop.picture.shape[1] % 3 == 0

    page = write_results(result, tmp_path / "RESULTS.md", "make it")
    text = page.read_text(encoding="utf-8")
    ratio = walking.report.value("e_warp_over_per_frame")
    assert f"{ratio:.3f}" in text and "make it" in text and "absent" in text
    assert str(tmp_path) not in text
    for address in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (tmp_path / address).is_file()
    figures = json.loads((tmp_path / "results" / "toy.json").read_text())
    assert figures[3]["metrics"]["e_warp_over_per_frame"]["output"] == ratio
    assert str(tmp_path) not in json.dumps(figures)


def test_a_suite_of_which_nothing_is_there_is_an_error(tmp_path: Path, style: Path) -> None:
    suite = Suite("toy", (ClipSpec("a", path="nowhere"),), (StyleSpec("s", style=str(style)),))
    with pytest.raises(DataError, match="nowhere is not in the data folder"):
        run_suite(suite, tmp_path, device="cpu")
