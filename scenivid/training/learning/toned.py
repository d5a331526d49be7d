"""A palette inside the network: its map of tones is fitted to colours alone, in seconds.

    flat = start's painting + tone(base),   tone(base) ≈ aim − painting

where base is the photograph under the flat brush (see `nets.lite`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from scenivid.nets.brush import dabbed
from scenivid.nets.lite import Lite
from scenivid.perception.transport import Transport

_BLOCKS = 4096
"""Squares of 2 × 2 pixels in a step."""
_EVEN = 512
"""Of them, those that have one colour, drawn from all colours."""
_RATE = 6e-3


def with_tone(net: Lite, width: int) -> Lite:
    """A copy of a network that paints the same, with a map of tones; a mere copy where it can't have one."""
    if net.params.tone or not net.params.brush:
        return copy.deepcopy(net)
    toned = Lite(replace(net.params, tone=width)).to(net.stem.weight)
    toned.load_state_dict({**toned.state_dict(), **net.state_dict()})
    last = toned.tone[-1]
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return toned.train(net.training)


def fit_tone(
    net: Lite,
    photos: Sequence[Tensor],
    painted: Sequence[Tensor],
    transport: Transport,
    steps: int,
    seed: int,
) -> None:
    """Fit the map of tones of a network that was made `with_tone`, in place.

    Args:
        photos: [1, 3, H, W] each, in [0, 1].
        painted: what the network makes of them, [1, 3 or 4, H, W] each.
    """
    if not net.params.tone:
        return
    before = copy.deepcopy(net.tone).requires_grad_(False)
    bases, changes = [], []
    for photo, paint in zip(photos, painted, strict=True):
        flat = paint[:, :3].clamp(0, 1)
        base = dabbed(photo, net.params.brush)
        bases.append(_squares(base))
        changes.append(_squares(transport(flat) - flat).mean((2, 3)))
    base, change = torch.cat(bases), torch.cat(changes)
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.tone.parameters(), lr=_RATE)
    with torch.enable_grad():
        for step in range(steps):
            chosen = torch.randint(len(base), (_BLOCKS - _EVEN,), generator=random)
            even = torch.rand(1, 3, 1, _EVEN, generator=random)
            seen = torch.cat([base[chosen], even[0, :, 0].T[..., None, None].expand(-1, -1, 2, 2)])
            aim = torch.cat([change[chosen], (transport(even) - even)[0, :, 0].T])
            with torch.no_grad():
                aim = aim + before(seen).flatten(1)
            loss = (net.tone(seen).flatten(1) - aim).abs().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            for group in optimizer.param_groups:
                group["lr"] = _RATE * (1 - step / steps)


def _squares(image: Tensor) -> Tensor:
    """[1, C, H, W] to its squares of 2 × 2, [P, C, 2, 2]."""
    _, c, h, w = image.shape
    return image.reshape(c, h // 2, 2, w // 2, 2).permute(1, 3, 0, 2, 4).reshape(-1, c, 2, 2)
