"""RAFT's steps give what torchvision's own loop gives."""

from __future__ import annotations

import pytest
import torch
from scenes import pan

from scenivid.flow import raft
from scenivid.flow.raft_steps import both_ways
from scenivid.pixels import to_signed


@pytest.mark.parametrize("name", ["raft-small", pytest.param("raft-large", marks=pytest.mark.slow)])
@torch.no_grad()
def test_both_ways_are_torchvision_s_two_calls(name: str) -> None:
    torch.manual_seed(1)
    network = raft._build(name).eval()
    frames = to_signed(pan(3, 128, 136, 3))
    now, before = frames[1:], frames[:-1]
    back, forth = both_ways(network, now, before, 2)
    assert (back - network(now, before, num_flow_updates=2)[-1]).abs().max() < 1e-3
    assert (forth - network(before, now, num_flow_updates=2)[-1]).abs().max() < 1e-3
