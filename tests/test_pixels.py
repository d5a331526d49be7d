"""Value range, bit depth and padding change in one place, without loss."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from scenivid.pixels import Clip, from_signed, pad, to_float, to_pixels, to_signed, unpad


@pytest.mark.parametrize(("dtype", "top"), [(torch.uint8, 255), (torch.uint16, 65535)])
def test_every_integer_survives_the_way_to_float_and_back(dtype: torch.dtype, top: int) -> None:
    values = torch.arange(top + 1, dtype=torch.int32).to(dtype).reshape(1, 1, 1, -1)
    assert torch.equal(to_pixels(to_float(values), dtype).int(), values.int())


def test_values_outside_are_clamped_and_the_rest_is_rounded() -> None:
    image = torch.tensor([-0.2, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 1.7])
    assert to_pixels(image).tolist() == [0, 0, 0, 1, 255, 255]


def test_signed_range_is_undone() -> None:
    image = torch.rand(2, 3, 4, 5)
    assert to_signed(image).min() < 0
    torch.testing.assert_close(from_signed(to_signed(image)), image)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (1, 1), (3, 50)])
def test_padding_reaches_the_multiple_and_is_undone(size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size)
    padded, padding = pad(image, 16)
    assert padded.shape[-2] % 16 == 0 and padded.shape[-1] % 16 == 0
    assert torch.equal(unpad(padded, padding), image)


def test_a_clip_checks_itself_once() -> None:
    with pytest.raises(ValueError, match="don't fit"):
        Clip(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), (Fraction(0),))
    with pytest.raises(TypeError, match="uint8 or uint16"):
        Clip(torch.zeros(1, 3, 4, 4), (Fraction(0),))


def test_opacity_must_fit_the_pixels() -> None:
    with pytest.raises(ValueError, match="alpha"):
        Clip(
            torch.zeros(1, 3, 2, 2, dtype=torch.uint8),
            (Fraction(0),),
            None,
            torch.zeros(1, 1, 2, 3, dtype=torch.uint8),
        )
