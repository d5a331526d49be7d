"""Ink on colour: no line changes nothing, more ink is darker, colours stay themselves."""

from __future__ import annotations

import torch

from scenivid.ink import compose


def test_no_ink_or_no_line_leaves_the_colours_as_they_are() -> None:
    flat = torch.rand(2, 3, 8, 9)
    assert torch.equal(compose(flat, torch.zeros(2, 1, 8, 9), 1.0), flat)
    assert torch.equal(compose(flat, torch.ones(2, 1, 8, 9), 0.0), flat)


def test_more_ink_is_darker_and_never_out_of_range() -> None:
    flat, line = torch.rand(1, 3, 16, 16), torch.rand(1, 1, 16, 16)
    lighter, darker = compose(flat, line, 0.3), compose(flat, line, 0.9)
    assert (darker <= lighter).all() and (lighter <= flat).all() and darker.min() >= 0


def test_a_full_line_is_dark_even_on_white_and_keeps_the_order_of_the_channels() -> None:
    colours = torch.tensor([[1.0, 1.0, 1.0], [0.95, 0.78, 0.65], [0.4, 0.6, 0.9]])[:, :, None, None]
    inked = compose(colours, torch.ones(3, 1, 1, 1), 1.0)
    assert inked.amax() < 0.55
    assert inked[1, 0] > inked[1, 1] > inked[1, 2] and inked[2, 2] > inked[2, 1] > inked[2, 0]


def test_the_formula_carries_gradients_to_colour_and_line() -> None:
    flat, line = torch.rand(1, 3, 4, 4, requires_grad=True), torch.rand(1, 1, 4, 4, requires_grad=True)
    compose(flat, line, 0.7).sum().backward()
    assert flat.grad is not None and line.grad is not None
    assert flat.grad.abs().min() > 0 and line.grad.abs().max() > 0
