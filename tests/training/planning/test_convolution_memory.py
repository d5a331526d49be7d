"""What a convolution of the CPU holds while it runs is counted before a run as the allocator counts it."""

from __future__ import annotations

import pytest
import torch
from allocated import measured
from torch import nn

from scenivid.training.planning.memory import peak_bytes

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
LAST = torch.channels_last


def conv(*, last: bool = False, **settings: int) -> nn.Module:
    made = nn.Conv2d(**({"in_channels": 32, "out_channels": 48, "kernel_size": 3} | settings))
    if last:
        made.weight = nn.Parameter(made.weight.detach().contiguous(memory_format=LAST))
    return made


LAYERS = {
    "3x3": lambda: conv(),
    "1x1": lambda: conv(kernel_size=1),
    "1x1, in steps": lambda: conv(kernel_size=1, stride=2),
    "of each channel": lambda: conv(out_channels=32, groups=32),
    "enlarging": lambda: nn.ConvTranspose2d(32, 48, 3, stride=2),
    "wide": lambda: conv(in_channels=512, out_channels=512),
    "channels last": lambda: conv(last=True),
}


@pytest.mark.parametrize(
    ("layer", "last"),
    [(layer, False) for layer in LAYERS] + [(layer, True) for layer in ("3x3", "wide", "channels last")],
)
@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("count", [4, 16])  # torch does without oneDNN for some of few images
def test_the_copies_of_a_convolution_are_counted(layer: str, last: bool, learns: bool, count: int) -> None:
    def run() -> None:
        with torch.set_grad_enabled(learns):
            net = LAYERS[layer]()
            size, channels = (6, 512) if layer == "wide" else (40, 32)
            image = torch.zeros(count, channels, size, size)
            if last:
                image = image.contiguous(memory_format=LAST)
            made = net(image.requires_grad_(learns))
            if learns:
                made.mean().backward()

    run()  # what is made once and kept
    assert peak_bytes(run, torch.device("cpu")) == pytest.approx(measured(run), rel=0.15)


def test_kernels_of_a_gpu_are_left_out() -> None:
    def run() -> None:
        with torch.no_grad():
            conv()(torch.zeros(4, 32, 40, 40))

    held = 4 * (4 * 32 * 40**2 + 4 * 48 * 38**2 + 48 * (32 * 9 + 1))
    assert peak_bytes(run, torch.device("cuda")) == held < peak_bytes(run, torch.device("cpu"))
