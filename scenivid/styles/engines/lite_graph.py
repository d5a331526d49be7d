"""A Lite network as a graph of OpenVINO, made from the weights file without torch: `nets.lite`, node by node.

The frame comes extended by `BORDER` and the caller takes the border off again: both cost a copy here and a
slow node in the graph. It ends with the last convolutions, which are made as one: see `paint_planes`.
Everything lies channels last, and nothing is joined or reordered on the way: each such node costs as much as
a convolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.card import ModelCard, check_kind
from scenivid.nets.lite_shape import SLOPE, LiteParams

Array = NDArray[np.float32]
_ENLARGED = np.array([[0.25, 0.75, 0], [0, 0.75, 0.25]])
"""How each of two pixels comes from three of a line that is half as long."""
_TILE = 16
"""Channels that a matrix multiplication takes at once: fewer cost as much."""


@dataclass(frozen=True, eq=False)
class LiteWeights:
    """What a weights file of a Lite network holds."""

    params: LiteParams
    arrays: Mapping[str, Array]
    """By the names of `Lite.state_dict`."""

    def at(self, strength: float) -> LiteWeights:
        """As `Lite.at`: the network without a dial that paints at this strength."""
        if not self.params.dial:
            return self
        restraint, fixed = np.float32(1 - strength), dict(self.arrays)
        names = [name for name, _, _, _ in _convolutions(self.params)]
        for index, name in enumerate(names):
            gain, shift = self.arrays[f"dial_gain.{index}"], self.arrays[f"dial_shift.{index}"]
            scale = (1 + restraint * gain) * np.float32(strength if name in ("out", "cover", "tone.4") else 1)
            fixed[f"{name}.weight"] = self.arrays[f"{name}.weight"] * scale[:, None, None, None]
            fixed[f"{name}.bias"] = self.arrays[f"{name}.bias"] * scale + restraint * shift
        return LiteWeights(self.params, fixed)


def read_lite(path: Path, card: ModelCard) -> LiteWeights | None:
    """The weights of a Lite network in its present shape; None if the file holds anything else.

    Raises:
        CheckpointError: the file is damaged.
    """
    if card.architecture != "lite" or len(card.params.get("widths", ())) == 4:
        return None
    check_kind(path)
    try:
        params = LiteParams(**card.params)
        with safe_open(str(path), framework="np") as file:
            arrays = {key: np.asarray(file.get_tensor(key), np.float32) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as exc:
        raise CheckpointError(f"{path} is damaged or incomplete ({exc}); copy or download it again") from exc
    except (ConfigError, TypeError, ValueError):  # torch's reader says what is wrong
        return None
    return LiteWeights(params, arrays) if _fits(params, arrays) else None


def lite_graph(weights: LiteWeights, size: tuple[int, int], short: bool) -> Any:
    """The graph, an openvino.Model: [1, H, W/2, 6] to [1, H/2, W/2, C] for `paint_planes.laid_on`.

    It takes RGB, two pixels at once. A network with a map of tones wants the image under the flat brush
    (`brush_planes`) as its second input, [1, 3, H/2 + 2, W/2 + 2]: half as large, with a pixel repeated all
    around.

    Args:
        weights: without a dial.
        size: H and W, multiples of `nets.lite_shape.MULTIPLE`.
        short: whether it takes bytes and gives bfloat16, as is enough for one that multiplies bfloat16;
            else float32 in [0, 1], and float32.
    """
    import openvino
    from openvino import opset13 as op

    height, width = size
    image = op.parameter([1, height, width // 2, 6], np.uint8 if short else np.float32, name="image")
    inputs = [image]
    if weights.params.tone:
        inputs.append(op.parameter([1, 3, height // 2 + 2, width // 2 + 2], np.float32, name="base"))
    result = _Graph(weights, size, 1 / 255 if short else 1.0).result(*inputs)
    if short:
        result = op.convert(result, "bf16")
    return openvino.Model([result.output(0)], inputs, "lite")


class _Graph:
    def __init__(self, weights: LiteWeights, size: tuple[int, int], unit: float) -> None:
        """`unit`: value of 1 in the image."""
        from openvino import opset13

        self._op: Any = opset13
        self._params, self._arrays = weights.params, weights.arrays
        self._size, self._unit = size, unit
        self._strides = {name: stride for name, _, _, stride in _convolutions(weights.params)}

    def result(self, image: Any, base: Any = None) -> Any:
        op, params = self._op, self._params
        image = self._transposed(op.convert(image, "f32"), 0, 3, 1, 2)
        quarter = self._act(self._seen(image, "stem", 2))
        quarter = self._blocks(quarter, "encode4", [1] * params.encode_blocks[0])
        eighth = self._blocks(self._conv(quarter, "down8"), "encode8", [1] * params.encode_blocks[1])
        deep = self._blocks(self._conv(eighth, "down16"), "middle", params.middle_dilations)
        y = op.add(eighth, self._double(self._conv(deep, "up8")))
        y = self._blocks(y, "decode8", [1] * params.decode_blocks[1])
        y = op.add(quarter, self._double(self._conv(y, "up4")))
        y = self._blocks(y, "decode4", [1] * params.decode_blocks[0])
        return self._transposed(self._end(self._spread(y), image, base), 0, 2, 3, 1)

    def _end(self, y: Any, image: Any, base: Any) -> Any:
        """The last layers. Colours of the map of tones are further channels beside those of `head`, left as
        they are by its activation: adding zeros costs less than putting channels beside each other."""
        op, head = self._op, self._params.head
        weight, bias = (self._joined(kind) for kind in ("weight", "bias"))
        if base is None:
            y = self._act(op.add(self._conv(y, "head", 1), self._seen(image, "glance", 1)))
            return self._convolved(y, weight, bias, 1, 1)
        count = -(-(head + 3) // _TILE) * _TILE
        seen = op.add(self._seen(image, "glance", 1, (0, count)), self._tone(base, (head, count)))
        y = op.add(self._conv(y, "head", 1, places=(0, count)), seen)
        slopes = np.full(count, SLOPE, np.float32)
        slopes[head : head + 3] = 1
        wide = np.zeros((len(bias), count, 3, 3), np.float32)
        wide[:, :head], wide[:, head : head + 3] = weight, _enlarging(len(bias))
        return self._convolved(op.prelu(y, op.constant(slopes)), wide, bias, 1, 1)

    def _joined(self, kind: str) -> Array:
        """Of the last two convolutions."""
        return np.concatenate([self._arrays[f"{name}.{kind}"] for name in ("out", "cover")])

    def _tone(self, base: Any, places: tuple[int, int]) -> Any:
        """The map of tones at half the size; its first weights enlarge what it reads."""
        block = self._arrays["tone.0.weight"]
        around = np.einsum("oiyx,yv,xw->oivw", block, _ENLARGED, _ENLARGED).astype(np.float32)
        tone = self._act(self._convolved(base, around, self._arrays["tone.0.bias"], 1, 0))
        return self._conv(self._act(self._conv(tone, "tone.2")), "tone.4", places=places)

    def _conv(
        self, x: Any, name: str, pad: int = 0, dilation: int = 1, places: tuple[int, int] | None = None
    ) -> Any:
        """`places`: where among how many channels its own begin; the others are 0."""
        weight, bias = (_placed(self._arrays[f"{name}.{kind}"], places) for kind in ("weight", "bias"))
        return self._convolved(x, weight, bias, self._strides[name], pad, dilation)

    def _seen(self, image: Any, name: str, pad: int, places: tuple[int, int] | None = None) -> Any:
        """A convolution of the image, two of whose pixels are read as one."""
        op, stride = self._op, self._strides[name]
        weight, bias = (_placed(self._arrays[f"{name}.{kind}"], places) for kind in ("weight", "bias"))
        before = -(-pad // 2)
        kernel = _paired(weight * np.float32(self._unit), 2 * before - pad)
        after = kernel.shape[3] - before - stride // 2
        strides, begin, end = [stride, stride // 2], [pad, before], [pad, after]
        y = op.convolution(image, op.constant(kernel), strides, begin, end, [1, 1])
        return op.add(y, op.constant(bias.reshape(1, -1, 1, 1)))

    def _convolved(self, x: Any, weight: Array, bias: Array, stride: int, pad: int, dilation: int = 1) -> Any:
        op, sides = self._op, [pad, pad]
        kernel, offset = op.constant(np.ascontiguousarray(weight)), op.constant(bias.reshape(1, -1, 1, 1))
        return op.add(op.convolution(x, kernel, [stride] * 2, sides, sides, [dilation] * 2), offset)

    def _spread(self, y: Any) -> Any:
        """`up2` and its pixel shuffle: of the four pixels of a block, two lie beside each other already."""
        head, (height, width) = self._params.head, self._size
        weight, bias = (
            self._arrays[f"up2.{kind}"].reshape(head, 4, -1).swapaxes(0, 1) for kind in ("weight", "bias")
        )
        y = self._act(self._convolved(y, weight.reshape(4 * head, -1, 1, 1), bias.reshape(-1), 1, 0))
        rows = self._shaped(self._transposed(y, 0, 2, 3, 1), height // 4, width // 4, 2, 2 * head)
        spread = self._shaped(self._transposed(rows, 0, 2, 1, 3), 1, height // 2, width // 2, head)
        return self._transposed(spread, 0, 3, 1, 2)

    def _transposed(self, x: Any, *axes: int) -> Any:
        return self._op.transpose(x, self._op.constant(np.array(axes, np.int64)))

    def _shaped(self, x: Any, *shape: int) -> Any:
        return self._op.reshape(x, self._op.constant(np.array(shape, np.int64)), False)

    def _blocks(self, x: Any, name: str, dilations: Sequence[int]) -> Any:
        for index, dilation in enumerate(dilations):
            inner = self._act(self._conv(x, f"{name}.{index}.first", dilation, dilation))
            x = self._op.add(x, self._conv(inner, f"{name}.{index}.second", 1))
        return x

    def _act(self, x: Any) -> Any:
        return self._op.prelu(x, self._number(SLOPE))

    def _double(self, x: Any) -> Any:
        scales = self._op.constant(np.array([2, 2], np.float32))
        axes = self._op.constant(np.array([2, 3], np.int64))
        mode = "half_pixel"
        return self._op.interpolate(
            x, scales, "linear_onnx", "scales", axes=axes, coordinate_transformation_mode=mode
        )

    def _number(self, value: float) -> Any:
        return self._op.constant(np.array([value], np.float32))


def _placed(array: Array, places: tuple[int, int] | None) -> Array:
    """Weights or bias with zeros for channels before and after: its first place, and how many there are."""
    if places is None:
        return array
    first, count = places
    placed = np.zeros((count, *array.shape[1:]), np.float32)
    placed[first : first + len(array)] = array
    return placed


def _paired(weight: Array, skipped: int) -> Array:
    """[out, 3, k, k] for an image two of whose pixels are one, the first `skipped` columns earlier."""
    out, colours, rows, columns = weight.shape
    pairs = -(-(skipped + columns) // 2)
    wide = np.zeros((out, colours, rows, 2 * pairs), np.float32)
    wide[..., skipped : skipped + columns] = weight
    turned = wide.reshape(out, colours, rows, pairs, 2).transpose(0, 4, 1, 2, 3)
    return np.ascontiguousarray(turned).reshape(out, 2 * colours, rows, pairs)


def _enlarging(places: int) -> Array:
    """Weights by which three colours of half the size become the first 12 of `places`: 2×2 pixels of each."""
    weight = np.zeros((places, 3, 3, 3), np.float32)
    for colour in range(3):
        weight[4 * colour : 4 * colour + 4, colour] = np.kron(_ENLARGED, _ENLARGED).reshape(4, 3, 3)
    return weight


def _convolutions(params: LiteParams) -> list[tuple[str, tuple[int, int], int, int]]:
    """Name, channels out and in, kernel and stride of each, in the order of `Lite`'s modules."""
    quarter, eighth, sixteenth = params.widths
    head = params.head

    def blocks(name: str, width: int, count: int) -> list[tuple[str, tuple[int, int], int, int]]:
        parts = [f"{name}.{index}.{part}" for index in range(count) for part in ("first", "second")]
        return [(part, (width, width), 3, 1) for part in parts]

    tone = [
        ("tone.0", (params.tone, 3), 2, 2),
        ("tone.2", (params.tone, params.tone), 1, 1),
        ("tone.4", (3, params.tone), 1, 1),
    ]
    return [
        ("stem", (quarter, 3), 8, 4),
        *blocks("encode4", quarter, params.encode_blocks[0]),
        ("down8", (eighth, quarter), 2, 2),
        *blocks("encode8", eighth, params.encode_blocks[1]),
        ("down16", (sixteenth, eighth), 2, 2),
        *blocks("middle", sixteenth, len(params.middle_dilations)),
        ("up8", (eighth, sixteenth), 1, 1),
        *blocks("decode8", eighth, params.decode_blocks[1]),
        ("up4", (quarter, eighth), 1, 1),
        *blocks("decode4", quarter, params.decode_blocks[0]),
        ("up2", (4 * head, quarter), 1, 1),
        ("head", (head, head), 3, 1),
        ("glance", (head, 3), 4, 2),
        ("cover", (4, head), 3, 1),
        ("out", (16 if params.line else 12, head), 3, 1),
        *(tone if params.tone else []),
    ]


def _fits(params: LiteParams, arrays: Mapping[str, Array]) -> bool:
    """Whether the arrays are those of such a network, all numbers."""
    wanted: dict[str, tuple[int, ...]] = {}
    for index, (name, channels, kernel, _) in enumerate(_convolutions(params)):
        wanted |= {f"{name}.weight": (*channels, kernel, kernel), f"{name}.bias": channels[:1]}
        if params.dial:
            wanted |= {f"dial_gain.{index}": channels[:1], f"dial_shift.{index}": channels[:1]}
    if {name: array.shape for name, array in arrays.items()} != wanted:
        return False
    return all(bool(np.isfinite(array).all()) for array in arrays.values())
