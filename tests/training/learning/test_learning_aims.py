"""What is aimed at, and the palette that is fitted before training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scenes import texture
from torch import Tensor

from scenivid.errors import DataError
from scenivid.nets.lite import Lite, LiteParams
from scenivid.perception.transport import Transport, transport_between
from scenivid.training.data.images import Entry
from scenivid.training.learning.aims import Aims, ink_of, photograph
from scenivid.training.learning.toned import fit_tone, with_tone

SMALL = LiteParams((16, 16, 16), (0, 0), (1,), (1, 0), head=8, brush=2, dial=True)
TINT = torch.tensor([1.0, 0.5, 0.1])[:, None, None]


def orange(photos: list[Tensor]) -> Transport:
    return transport_between(photos, [TINT * texture(64, 64, 9)])


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    found = []
    for seed in range(3):
        path = tmp_path / f"{seed}.png"
        pixels = (texture(70, 101, seed)[0].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(pixels)).save(path)
        found.append(Entry(path, path.name))
    return found


def test_a_map_of_tones_begins_as_nothing() -> None:
    network, image = Lite(SMALL).eval(), texture(64, 64)
    toned = with_tone(network, 16)
    assert toned.params.tone == 16
    torch.testing.assert_close(toned(image), network(image))
    torch.testing.assert_close(toned.at(0.5)(image), network.at(0.5)(image))


def test_a_network_without_a_brush_gets_no_map_of_tones() -> None:
    network = Lite(LiteParams((16, 16, 16), (0, 0), (1,), (1, 0), head=8))
    assert with_tone(network, 16).params.tone == 0


def test_fitting_the_map_of_tones_gives_the_palette() -> None:
    torch.manual_seed(0)
    photos = [texture(64, 64, seed) for seed in range(2)]
    toned = with_tone(Lite(SMALL).eval(), 16)
    with torch.no_grad():
        painted = [toned(photo) for photo in photos]
    transport = orange([one[:, :3] for one in painted])
    fit_tone(toned, photos, painted, transport, 150, 0)
    with torch.no_grad():
        made, aim = toned(photos[0])[:, :3], transport(painted[0][:, :3])
    assert (made - aim).abs().mean() < 0.4 * (painted[0][:, :3] - aim).abs().mean()


def test_crops_depend_on_their_number_alone(entries: list[Entry]) -> None:
    network = Lite(SMALL).eval()
    transport = orange([photograph(entry, 64) for entry in entries])
    one, other = (Aims(entries, network, transport, 48, 64, 0) for _ in range(2))
    photos, aims = one.crops(0, 6)
    assert photos.shape == (6, 3, 48, 48) and aims.shape == (6, 4, 48, 48)
    later = other.crops(4, 2)
    torch.testing.assert_close(later[0], photos[4:])
    torch.testing.assert_close(later[1], aims[4:])


def test_photographs_that_cannot_be_decoded_are_left_out(entries: list[Entry], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    network, transport = Lite(SMALL).eval(), orange([texture(64, 64)])
    Aims([Entry(broken, "broken.png"), entries[0]], network, transport, 48, 64, 0).crops(0, 4)
    with pytest.raises(DataError, match="none of 1 images"):
        Aims([Entry(broken, "broken.png")], network, transport, 48, 64, 0).crops(0, 1)


def test_pictures_with_dark_lines_ask_for_ink() -> None:
    lines = torch.zeros(1, 1, 48, 64)
    lines[..., 8::16] = 1
    painted = torch.cat([torch.full((1, 3, 48, 64), 0.8), lines], 1)
    plain, drawn = painted[:, :3], painted[:, :3] * (1 - 0.9 * lines)
    assert ink_of([plain], [painted]) == 0
    assert ink_of([drawn], [painted]) >= 0.75
