"""Transport of colours: palettes arrive, few inks stay few, skies don't turn into leaves."""

from __future__ import annotations

import torch
from scenes import texture
from torch import Tensor

from scenivid.oklab import rgb_to_oklab
from scenivid.perception.palette import palette_distance
from scenivid.perception.transport import transport_between


def flat(*colours: tuple[float, float, float]) -> Tensor:
    """Bands of colour, [1, 3, 48, 64]."""
    height = 48 // len(colours)
    bands = [torch.tensor(colour)[:, None, None].expand(3, height, 64) for colour in colours]
    return torch.cat(bands, 1)[None].contiguous()


def test_colours_become_those_of_the_pictures() -> None:
    source = [texture(48, 64, seed) for seed in (1, 2)]
    target = [texture(48, 64, 3) * torch.tensor([1.0, 0.5, 0.2])[:, None, None]]
    before = palette_distance(source, target)
    transport = transport_between(source, target)
    assert palette_distance([transport(image) for image in source], target) < 0.3 * before


def test_few_inks_give_few_inks() -> None:
    inks = flat((0.1, 0.05, 0.2), (0.9, 0.3, 0.4), (1.0, 0.9, 0.8))
    transport = transport_between([texture(48, 64, 1)], [inks])
    made = transport(texture(48, 64, 1))[0].flatten(1).T
    nearest = torch.cdist(made, inks[0, :, ::16, 0].T).amin(1)
    assert (nearest < 0.1).float().mean() > 0.7


def test_the_same_palette_changes_little() -> None:
    image = texture(48, 64, 1)
    moved = (transport_between([image], [image])(image) - image).abs()
    assert moved.mean() < 0.05  # colours mix within the blur


def test_a_sky_does_not_turn_into_leaves() -> None:
    scene = flat((0.3, 0.6, 0.95), (0.5, 0.4, 0.3))
    look = flat((0.35, 0.65, 0.2), (0.75, 0.72, 0.7))
    _, a, b = rgb_to_oklab(transport_between([scene], [look])(scene))[0, :, 8, 32]
    assert a > -0.06 or b < 0.05
