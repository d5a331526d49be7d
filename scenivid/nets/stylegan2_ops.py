"""The layers StyleGAN2 is made of, in plain PyTorch: nothing is compiled, every layer differentiates twice.

Parameter and buffer names are those of the widespread PyTorch port (rosinality), so that its checkpoints
load strictly. Source of the formulas: Karras et al., "Analyzing and Improving the Image Quality of
StyleGAN", CVPR 2020.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SLOPE = 0.2


def binomial_kernel(gain: float = 1.0) -> Tensor:
    """The 4×4 blur [1,3,3,1]⊗[1,3,3,1], normalised to sum to `gain`; float32 [4, 4]."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps)
    return kernel * (gain / 64)


def leaky_relu(x: Tensor) -> Tensor:
    """√2·LeakyReLU(x, 0.2): the gain keeps unit variance from layer to layer."""
    return F.leaky_relu(x, _SLOPE) * math.sqrt(2)


def normalise_pixels(x: Tensor) -> Tensor:
    """Divide each vector along axis 1 by its root mean square."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def _depthwise(kernel: Tensor, like: Tensor) -> Tensor:
    return kernel.to(like.dtype)[None, None].expand(like.shape[1], 1, *kernel.shape)


class PixelNorm(nn.Module):
    """`normalise_pixels` as a layer of the mapping network."""

    def forward(self, x: Tensor) -> Tensor:
        return normalise_pixels(x)


def blur(x: Tensor, padding: int, *, stride: int = 1, gain: float = 1.0) -> Tensor:
    """Zero-pad by 0..3, filter with the binomial kernel of sum `gain`, keep every `stride`-th pixel.

    [N, C, H, W] to [N, C, (H + 2·padding − 4)//stride + 1, …].
    """
    filtered: Tensor = _Binomial.apply(x, padding, gain)
    return filtered if stride == 1 else filtered[..., ::stride, ::stride]


class _Binomial(torch.autograd.Function):
    """The filter, its own adjoint (the kernel is symmetric): fast to differentiate on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: int, gain: float) -> Tensor:
        ctx.padding, ctx.gain = padding, gain
        return _filter(x, padding, gain)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        blurred: Tensor = _Binomial.apply(gradients[0], 3 - ctx.padding, ctx.gain)
        return blurred, None, None


def _filter(x: Tensor, padding: int, gain: float) -> Tensor:
    """Sums of shifted slices, along rows and then along columns.

    Depthwise convolutions are slow on CPUs, and cuDNN's took half of a step on an H200 (16-bit, 128 px).
    """
    for axis, share in ((3, gain / 64), (2, 1.0)):
        x = F.pad(x, (padding, padding, 0, 0) if axis == 3 else (0, 0, padding, padding))
        a, b, c, d = (x.narrow(axis, i, x.shape[axis] - 3) for i in range(4))
        x = torch.add(b, c).mul_(3).add_(a).add_(d)
        x = x.mul_(share) if share != 1.0 else x
    return x


class Blur(nn.Module):
    """`blur` as a layer; the kernel is a buffer because checkpoints hold it."""

    kernel: Tensor

    def __init__(self, padding: int, *, stride: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(gain))
        self.padding = padding
        self.stride = stride
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        return blur(x, self.padding, stride=self.stride, gain=self.gain)


class Upsample(nn.Module):
    """Twice the size: zero insertion, then the binomial filter with gain 4, as one transposed convolution."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", binomial_kernel(4.0))

    def forward(self, x: Tensor) -> Tensor:
        weight = _depthwise(self.kernel, x)
        return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])


class EqualLinear(nn.Module):
    """Linear layer with equalised learning rate: weights ~ N(0, 1/lr_mul²), scaled by lr_mul/√fan_in at use.

    Args:
        activation: apply `leaky_relu` after the bias.
        bias_init: the effective bias at the start divided by lr_mul.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias_init: float = 0.0,
        lr_mul: float = 1.0,
        activation: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_mul)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias_init)))
        self.scale = lr_mul / math.sqrt(inputs)
        self.lr_mul = lr_mul
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        out = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return leaky_relu(out) if self.activation else out


class EqualConv2d(nn.Module):
    """Convolution without bias, its learning rate equalised: weights ~ N(0, 1), times 1/√fan_in at use."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.scale = 1 / math.sqrt(inputs * size**2)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, stride=self.stride, padding=self.padding)


class BiasedLeakyReLU(nn.Module):
    """A bias for each channel, then `leaky_relu`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x + self.bias[:, None, None])


class ModulatedConv2d(nn.Module):
    """Convolution whose weights are scaled by a style for each sample, then demodulated (eqs. 1 and 3).

    w'ᵢⱼₖ = sᵢ·wᵢⱼₖ and w''ᵢⱼₖ = w'ᵢⱼₖ / √(Σᵢₖ w'ᵢⱼₖ² + ε). Scaling a sample's weights is scaling its
    input channels by s and its output channels by the demodulation, so that one convolution with shared
    weights serves the whole batch.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, size, size))
        self.modulation = EqualLinear(style_dim, inputs, bias_init=1.0)
        self.scale = 1 / math.sqrt(inputs * size**2)
        self.padding = size // 2
        self.demodulate = demodulate
        self.blur = Blur(1, gain=4.0) if upsample else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, inputs, H, W] and w [N, style_dim] to [N, outputs, H, W] (twice the size when upsampling)."""
        style: Tensor = self.modulation(w)
        weight = self.weight[0] * self.scale
        x = x * style.to(x.dtype)[:, :, None, None]
        if self.blur is None:
            out = F.conv2d(x, weight, padding=self.padding)
        else:
            out = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        if self.demodulate:
            power = F.linear(style.float().square(), weight.float().square().sum(dim=(2, 3)))
            out = out * torch.rsqrt(power + 1e-8).to(out.dtype)[:, :, None, None]
        return out


class NoiseInjection(nn.Module):
    """Add one plane of noise to every channel, scaled by a learned weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return x + self.weight * noise
