"""Memory that a convolution of the CPU takes while it runs: oneDNN wants its tensors in an order of its own.

It works on blocks of channels, so input and weights are copied into that order, and the result back. Where
input or weights have their channels last, all tensors are brought to that and only weights are copied on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

_MANY = 16
"""Images from which torch leaves a 1×1 convolution to oneDNN even in one thread."""


def _forward(args: tuple[Any, ...], output: Tensor) -> int:
    image, weights, _, stride, _, _, transposed = args[:7]
    if _by_torch_itself(image, weights, stride):
        return _bytes(output)
    if _lie_last(image, weights):
        copies = _unless_last(image) + _unless_last(weights) + _bytes(weights)
        return _bytes(output) + max(copies, _bytes(output) if transposed else 0)
    back = _given_back(output, 3 if transposed else 2)
    return max(_bytes(image) + _bytes(weights) + _bytes(output), back)


def _backward(args: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> int:
    above, image, weights, _, stride = args[:5]
    to_image, to_weights = output[:2]
    given = _bytes(to_image) + _bytes(to_weights)
    if _by_torch_itself(image, weights, stride):
        return given
    learnt = to_weights is not None
    if _lie_last(image, weights):
        copies = _unless_last(above) + _unless_last(weights) + _bytes(weights)
        return given + copies + (_unless_last(image) + _bytes(to_weights) if learnt else 0)
    first = max(_bytes(above) + _bytes(weights) + _bytes(to_image), _given_back(to_image))
    sums = 2 * _bytes(to_weights) if _short(weights) else _bytes(to_weights)  # they are in float32
    second = given + _bytes(above) + _bytes(image) + sums if learnt else 0
    return max(first, second)


WHILE_IT_RUNS: Mapping[object, Callable[[Any, Any], int]] = {
    torch.ops.aten.convolution.default: _forward,
    torch.ops.aten.convolution_backward.default: _backward,
}
"""Functions of (the operation's arguments, its output) to bytes at its peak, the output included."""


def _given_back(result: Tensor | None, copies: int = 2) -> int:
    """A result in oneDNN's order, and beside it in torch's: twice where torch casts numbers of 16 bits."""
    return 0 if result is None else _bytes(result) * (3 if _short(result) else copies)


def _by_torch_itself(image: Tensor, weights: Tensor, stride: list[int]) -> bool:
    """Whether torch multiplies matrices in place: 1×1, few images, one thread, float32."""
    alone = torch.get_num_threads() == 1 and len(image) < _MANY and not _short(image)
    return alone and weights.shape[2:].numel() == 1 and max(stride) == 1


def _lie_last(image: Tensor, weights: Tensor) -> bool:
    return not _unless_last(image) or not _unless_last(weights)


def _unless_last(tensor: Tensor) -> int:
    """Bytes of a copy with channels last; a tensor that lies in both orders is taken for channels first."""
    last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return 0 if last and not tensor.is_contiguous() else _bytes(tensor)


def _short(tensor: Tensor) -> bool:
    return tensor.element_size() == 2


def _bytes(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.numel() * tensor.element_size()
