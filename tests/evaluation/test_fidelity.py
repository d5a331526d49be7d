"""Guards against other implementations and known values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scenivid.evaluation.fidelity import PSNR_CAP_DB, fine_energy, gradients, psnr, sharpness, ssim_luma
from scenivid.flow.filters import luma, mean3


def test_ssim_equals_a_direct_transcription() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    first = torch.rand(1, 3, 24, 31)
    second = (first + 0.2 * torch.randn(1, 3, 24, 31)).clamp(0, 1)
    x, y = (luma(image)[0, 0].double().numpy() for image in (first, second))

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, 1.5, radius=5)[5:-5, 5:-5]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    ssim = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert float(ssim_luma(first, second)) == pytest.approx(ssim.mean(), abs=1e-5)


def test_ssim_of_one_image_with_many_is_one_by_one() -> None:
    one, many = torch.rand(1, 3, 20, 20), torch.rand(3, 3, 20, 20)
    expected = [float(ssim_luma(one, many[i : i + 1])) for i in range(3)]
    assert ssim_luma(one, many).tolist() == pytest.approx(expected, abs=1e-6)


def test_psnr_has_its_known_values() -> None:
    image = torch.full((1, 3, 8, 8), 0.5)
    assert float(psnr(image, image + 0.1)) == pytest.approx(20.0, abs=1e-4)
    assert float(psnr(image, image)) == PSNR_CAP_DB


def test_sharpness_counts_gradients_and_scales_with_contrast() -> None:
    ramp = torch.linspace(0, 1, 11).expand(1, 3, 5, 11)
    assert float(sharpness(ramp)) == pytest.approx(0.1, abs=1e-6)
    assert float(sharpness(ramp * 0.5)) == pytest.approx(0.05, abs=1e-6)


def test_gain_is_the_contrast_of_what_follows_the_source() -> None:
    source = torch.rand(1, 3, 40, 40)
    frames = torch.cat([source, 1.3 * source - 0.2, 0.7 * source + 0.3 * torch.rand(1, 3, 40, 40)])
    one, scaled, noisy = gradients(frames)
    assert one.gain == pytest.approx(1.0)
    assert scaled.gain == pytest.approx(1.3, abs=1e-4)
    assert noisy.gain == pytest.approx(0.7, abs=0.03)
    assert (scaled + scaled).gain == pytest.approx(scaled.gain)
    assert gradients(torch.zeros(2, 3, 4, 4))[1].gain == 0.0


def test_high_frequencies_fall_with_blur_and_scale_with_contrast() -> None:
    image = torch.rand(1, 3, 32, 48)
    assert fine_energy(mean3(image)) < 0.5 * fine_energy(image)
    torch.testing.assert_close(fine_energy(0.5 * image), 0.25 * fine_energy(image))
    assert fine_energy(torch.full((1, 3, 32, 48), 0.3)) == 0
