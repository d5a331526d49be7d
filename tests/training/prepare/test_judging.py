"""What a data set is better without: found by kind, and not where it isn't."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from films import card, scene

from scenivid.errors import ConfigError
from scenivid.training.prepare.alike import Print, Seen, print_of
from scenivid.training.prepare.bars import darkness, inside
from scenivid.training.prepare.judge import REASONS, Reason, Rules, judge
from scenivid.training.prepare.measures import blur, flat_share, lettering
from scenivid.training.prepare.picture import Box, Image, luma, reduced
from scenivid.training.prepare.squares import squares


def reason(image: Image, rules: Rules | None = None, seen: Seen | None = None) -> Reason | None:
    small = reduced(image)
    return judge(small, min(image.shape[:2]), rules or Rules(), seen or Seen()).reason


def softened(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def test_a_sharp_picture_is_kept() -> None:
    assert all(reason(scene(seed)) is None for seed in range(8))


def test_each_kind_is_found() -> None:
    good = scene(0)
    assert reason(good // 10) == "dark"
    assert reason(np.full_like(good, 128)) == "blank"
    assert reason(card()) == "text card"
    assert reason(255 - card()) == "text card"
    assert reason(softened(good, 5)) == "blurred"
    assert reason(good[:100]) == "small"
    assert set(REASONS) > {"dark", "blank", "text card", "blurred", "small"}


def test_rules_can_be_switched_off() -> None:
    assert reason(softened(scene(0), 5), Rules(blurriest=1.0)) is None
    assert reason(card(), Rules(text=False)) is None
    assert reason(scene(0)[:100], Rules(smallest=64)) is None


def test_more_blur_measures_as_more_blur() -> None:
    grey = luma(scene(1))
    found = [blur(grey), *(blur(luma(softened(scene(1), sigma))) for sigma in (1, 2, 4))]
    assert found == sorted(found) and found[0] < 0.35 < 0.6 < found[-1]


def test_a_sharp_subject_before_a_soft_ground_is_sharp() -> None:
    image = softened(scene(2), 6)
    image[60:180, 100:220] = scene(2)[60:180, 100:220]
    assert blur(luma(image)) < 0.5 < blur(luma(softened(scene(2), 6)))


def test_windows_and_leaves_are_no_letters() -> None:
    rng = np.random.default_rng(0)
    leaves = cv2.resize(
        rng.integers(0, 255, (120, 160), np.uint8), (320, 240), interpolation=cv2.INTER_LINEAR
    )
    assert lettering(np.asarray(leaves, np.uint8)).lines == 0
    assert lettering(luma(card())).lines >= 2
    assert flat_share(luma(card())) > 0.7


@pytest.mark.parametrize("change", [lambda x: softened(x, 1), lambda x: x // 2 + 62, lambda x: x[4:-4, 5:-5]])
def test_a_near_duplicate_is_found(change: object) -> None:
    image, seen = scene(3), Seen()
    seen.add(print_of(reduced(image)), "first")
    other = change(image)  # type: ignore[operator]
    if other.shape == image.shape and other.mean() > 1.2 * image.mean():
        pytest.skip("another light is another picture")
    verdict = judge(reduced(other), 240, Rules(), seen)
    assert verdict.reason == "near-duplicate" and verdict.detail == "of first"
    assert judge(reduced(other), 240, Rules(alike=None), seen).kept


def test_other_pictures_and_other_lights_are_no_duplicates() -> None:
    seen = Seen()
    for seed in range(60):
        assert seen.like(print_of(scene(seed, (160, 120))), 8) is None
        seen.add(print_of(scene(seed, (160, 120))), str(seed))
    night = (scene(7, (160, 120)) * np.array([0.35, 0.45, 0.7])).astype(np.uint8)
    assert seen.like(print_of(night), 8) is None
    assert seen.like(print_of(scene(7, (160, 120))), 0) == "7"


def test_a_print_survives_being_written() -> None:
    found = print_of(scene(5))
    assert Print.of_text(found.text()) == found


@pytest.mark.parametrize("height, bar", [(240, 30), (720, 91), (1080, 140)])
def test_bars_are_cut_to_the_pixel_or_two(height: int, bar: int) -> None:
    image = scene(6, (height * 4 // 3, height))
    image[:bar] = image[-bar:] = 3
    box = inside(image, darkness(luma(reduced(image))))
    assert 0 <= box.top - bar <= 4 and 0 <= height - bar - (box.top + box.height) <= 4
    assert (box.left, box.width) == (0, image.shape[1])
    turned = np.ascontiguousarray(image.transpose(1, 0, 2))
    box = inside(turned, darkness(luma(reduced(turned))))
    assert 0 <= box.left - bar <= 4 and (box.top, box.height) == (0, turned.shape[0])


def test_a_dark_sky_is_no_bar() -> None:
    image = scene(8)
    image[:60] = 2  # a night sky has no partner at the bottom
    assert inside(image, darkness(luma(image))) == Box(0, 0, 320, 240)
    fading = scene(8)
    fading[:60] = fading[-60:] = 0
    slope = np.abs(np.linspace(-1, 1, 240))[:, None, None]
    fading = (scene(8) * (1 - slope) ** 2 * 0.4).astype(np.uint8)
    assert inside(fading, darkness(luma(fading))) == Box(0, 0, 320, 240)


def test_bars_of_the_shot_before_hold_in_the_dark() -> None:
    night = (scene(9) * 0.08).astype(np.uint8)
    night[:30] = night[-30:] = 0
    before = Box(0, 30, 320, 180)
    assert inside(night, darkness(luma(night)), before) == before
    bright = scene(9)
    assert inside(bright, darkness(luma(bright)), before) == Box(0, 0, 320, 240)


def test_squares_are_left_middle_and_right() -> None:
    ramp = np.zeros((90, 160, 3), np.uint8)
    ramp[..., 0] = np.arange(160)
    made = squares(ramp, Box(0, 0, 160, 90), 3, 90)
    assert [square.shape for square in made] == [(90, 90, 3)] * 3
    assert [int(square[45, 0, 0]) for square in made] == [0, 35, 70]
    tall = squares(np.ascontiguousarray(ramp.transpose(1, 0, 2)), Box(0, 0, 90, 160), 3, 45)
    assert [square.shape for square in tall] == [(45, 45, 3)] * 3


def test_squares_keep_the_aspect_also_of_oblong_pixels() -> None:
    image = np.full((240, 320, 3), 128, np.uint8)
    cv2.ellipse(image, (160, 120), (40, 80), 0, 0, 360, (255, 255, 255), -1)  # a circle, with pixels 2:1
    middle = luma(squares(image, Box(0, 0, 320, 240), 3, 240, 2.0)[1]) > 200
    across, down = middle.any(axis=0).sum(), middle.any(axis=1).sum()
    assert abs(int(across) - int(down)) <= 2


def test_what_would_be_the_same_square_is_taken_once_and_nothing_is_enlarged() -> None:
    image = scene(0, (250, 240))
    assert [square.shape for square in squares(image, Box(0, 0, 250, 240), 3, 320)] == [(240, 240, 3)]
    assert squares(scene(0), Box(0, 0, 320, 240), 0, 120)[0].shape == (120, 160, 3)


def test_rules_without_sense_are_refused() -> None:
    for wrong in ({"alike": 40}, {"smallest": 3}, {"blurriest": 1.5}):
        with pytest.raises(ConfigError):
            Rules(**wrong)
