"""How styles are measured: figures on functions whose answers are known, the sheet, the card."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from measure.card import Words, write_markdown
from measure.figures import beside_painter, noise_response
from measure.pictures import load_photos
from measure.sheets import chosen, crop, sheet, tile
from PIL import Image
from scripts import ROOT

from scenivid.nets.checkpoint import ModelCard
from scenivid.training.recipe import load_recipe


def test_the_identity_answers_noise_with_itself_and_a_constant_with_nothing() -> None:
    photos = [("a", torch.full((1, 3, 32, 32), 0.5))]
    assert noise_response(lambda image: image, photos) == pytest.approx(1.0, abs=0.01)
    assert noise_response(lambda image: image * 0.5, photos) == pytest.approx(0.5, abs=0.01)
    assert noise_response(torch.zeros_like, photos) == 0


def test_tiles_have_the_size_asked_for() -> None:
    for shape in ((1, 3, 100, 300), (1, 3, 300, 100), (1, 3, 20, 20)):
        assert tile(torch.rand(shape), 64, 48).shape == (3, 48, 64)


def test_the_sheet_stays_below_its_limit(tmp_path: Path) -> None:
    rows = [[torch.rand(3, 96, 128) for _ in range(3)] for _ in range(4)]
    sheet(rows, tmp_path / "sheet.jpg", limit=90_000)
    assert (tmp_path / "sheet.jpg").stat().st_size <= 90_000
    with Image.open(tmp_path / "sheet.jpg") as image:
        assert image.size == (384, 384)


def test_photographs_are_read_at_most_as_large_as_asked(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100), (10, 120, 250)).save(tmp_path / "sky.png")
    ((name, image),) = load_photos(tmp_path, 64)
    assert name == "sky"
    assert image.shape == (1, 3, 64, 128)
    assert torch.allclose(image[0, :, 5, 5] * 255, torch.tensor([10.0, 120.0, 250.0]))


def test_the_card_for_people_holds_every_figure(tmp_path: Path) -> None:
    measured = {"fd_effnet": 200.5, "luma_ssim": 0.8}
    figures = {
        "held_out": {
            "photographs_measured": 24,
            "paintings_apart": 183.0,
            "style": measured,
            "painter": measured,
        },
        "noise_response": {"style": 0.61},
        "e_warp_over_source": {"flower": {"style": 0.7}},
        "ms_per_frame": {"960x540, 1 threads": 81.0},
    }
    card = ModelCard("aozora", "lite", data=("photographs; CC0-1.0",), figures=figures, limits="none known")
    write_markdown(card, tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text("utf-8")
    for expected in ("# aozora", "CC0-1.0", "200.5", "0.61", "flower", "81.0", "none known"):
        assert expected in text


def test_a_painter_beside_itself_is_near_and_a_blurred_one_less_crisp() -> None:
    picture = torch.rand(1, 3, 32, 32)
    assert beside_painter([picture], [picture]) == {"l1_to_painter": 0.0, "gradient_over_painter": 1.0}
    soft = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    assert beside_painter([soft], [picture])["gradient_over_painter"] < 0.6


def test_a_crop_is_at_100_percent_and_the_sheet_is_varied() -> None:
    picture = torch.rand(1, 3, 40, 60)
    assert torch.equal(crop(picture, 20), picture[0, :, 10:30, 20:40])
    assert crop(picture, 50).shape == (3, 50, 50)
    photos = [(f"a-{i}", picture) for i in range(30)] + [("b-1", picture), ("c-1", picture)]
    some = chosen(photos)
    assert len(some) == 16 and {30, 31} <= set(some)


@pytest.mark.parametrize("name", ["aozora", "cel", "gouache"])
def test_every_embedded_style_has_its_words(name: str) -> None:
    words = load_recipe(Words, ROOT / "train" / "cards" / f"{name}.toml")
    assert words.description and words.licence and words.data and words.limits
