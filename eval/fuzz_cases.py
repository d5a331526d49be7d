"""Spoilt files for eval/fuzz.py: small sound ones of every kind, and seeded ways to spoil them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import onnx
import torch
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.random import Generator, default_rng

from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams

FRAMES = 12
_VIDEOS = {
    "a.mp4": ("libx264", "yuv420p", "aac"),
    "b.mp4": ("mpeg4", "yuv420p", None),
    "c.mov": ("prores_ks", "yuv422p10le", "pcm_s16le"),
    "d.mkv": ("libx264", "yuv420p", "flac"),
    "e.webm": ("libvpx-vp9", "yuv420p", "libopus"),
    "f.avi": ("mpeg4", "yuv420p", "mp2"),
    "g.ts": ("mpeg2video", "yuv420p", "mp2"),
    "h.mpg": ("mpeg1video", "yuv420p", "mp2"),
    "i.flv": ("flv1", "yuv420p", None),
    "j.gif": ("gif", "rgb8", None),
    "k.mkv": ("ffv1", "yuv420p", None),
    "l.mov": ("mjpeg", "yuvj420p", None),
}
_STILLS = ("a.png", "b.jpg", "c.webp", "d.tiff", "e.bmp")
_EXTREMES = (b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80")


@dataclass(frozen=True)
class Sound:
    """A file that can be read."""

    name: str
    kind: str
    """"video", "still", "weights" or "network" (ONNX)."""
    data: bytes
    frames: int
    """Frames that it holds; 0 for weights."""


@dataclass(frozen=True)
class Case:
    """One spoilt file."""

    name: str
    kind: str
    data: bytes
    frames: int
    """Of the sound file that it was made from."""
    how: str


def sound_files(folder: Path) -> list[Sound]:
    """One small file of every kind, made in `folder`."""
    pictures = _pictures()
    found = []
    for name, (codec, pixels, sound) in _VIDEOS.items():
        _write_video(folder / name, codec, pixels, sound, pictures)
        found.append(Sound(name, "video", (folder / name).read_bytes(), FRAMES))
    for name in _STILLS:
        cv2.imwrite(str(folder / name), pictures[0])
        found.append(Sound(name, "still", (folder / name).read_bytes(), 1))
    params = LiteParams(
        widths=(16, 16, 16), encode_blocks=(0, 0), middle_dilations=(1,), decode_blocks=(0, 0)
    )
    network = Lite(params)
    save_checkpoint(folder / "s.safetensors", network, ModelCard("s", "lite", asdict(params)))
    torch.save(network.state_dict(), folder / "s.pth")
    for name in ("s.safetensors", "s.pth"):
        found.append(Sound(name, "weights", (folder / name).read_bytes(), 0))
    return [*found, Sound("n.onnx", "network", _network(), 0)]


def case(sound: list[Sound], seed: int, index: int) -> Case:
    """The `index`-th case of a seed; the same for the same sound files."""
    rng = default_rng((seed, index))
    original = sound[int(rng.integers(len(sound)))]
    ways = list(_WAYS)
    if original.kind == "weights":
        ways += ["card"] * 4
    how = ways[int(rng.integers(len(ways)))]
    if how == "card":
        data = _card(original.data, rng)
    elif how == "spliced":
        data = _spliced(original.data, sound[int(rng.integers(len(sound)))].data, rng)
    else:
        data = _WAYS[how](original.data, rng)
    name = original.name
    if rng.random() < 0.05 and original.kind in ("video", "still"):  # under a false name
        name = Path(name).stem + Path(sound[int(rng.integers(len(sound)))].name).suffix
    return Case(name, original.kind, data, original.frames, how)


def _flipped(data: bytes, rng: Generator) -> bytes:
    spoilt = bytearray(data)
    for place in rng.integers(0, len(data), int(rng.integers(1, 17))):
        spoilt[place] ^= 1 << int(rng.integers(8))
    return bytes(spoilt)


def _overwritten(data: bytes, rng: Generator) -> bytes:
    spoilt = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(0, max(1, len(data) - 4)))
        spoilt[place : place + 4] = _EXTREMES[int(rng.integers(len(_EXTREMES)))]
    return bytes(spoilt[: len(data)])


def _head(data: bytes, rng: Generator) -> bytes:
    """As `_overwritten`, where headers are."""
    length = min(len(data), 600)
    return _overwritten(data[:length], rng) + data[length:]


def _tail(data: bytes, rng: Generator) -> bytes:
    length = min(len(data), 1500)
    return data[:-length] + _overwritten(data[-length:], rng)


def _zeroed(data: bytes, rng: Generator) -> bytes:
    begin, length = _stretch(data, rng)
    return data[:begin] + bytes(length) + data[begin + length :]


def _noisy(data: bytes, rng: Generator) -> bytes:
    begin, length = _stretch(data, rng)
    return data[:begin] + rng.bytes(length) + data[begin + length :]


def _cut(data: bytes, rng: Generator) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


def _removed(data: bytes, rng: Generator) -> bytes:
    begin, length = _stretch(data, rng)
    return data[:begin] + data[begin + length :]


def _repeated(data: bytes, rng: Generator) -> bytes:
    begin, length = _stretch(data, rng)
    return data[: begin + length] + data[begin:]


def _longer(data: bytes, rng: Generator) -> bytes:
    return data + rng.bytes(int(rng.integers(1, 5000)))


def _spliced(data: bytes, other: bytes, rng: Generator) -> bytes:
    return data[: int(rng.integers(1, len(data)))] + other[int(rng.integers(len(other))) :]


_WAYS: dict[str, Callable[[bytes, Generator], bytes]] = {
    "flipped": _flipped,
    "overwritten": _overwritten,
    "head": _head,
    "tail": _tail,
    "zeroed": _zeroed,
    "noisy": _noisy,
    "cut": _cut,
    "removed": _removed,
    "repeated": _repeated,
    "longer": _longer,
    "spliced": _longer,  # needs a second file: see `case`
}


def _card(data: bytes, rng: Generator) -> bytes:
    """A sound file whose card holds one odd value."""
    if data[8:9] != b"{":
        return _flipped(data, rng)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    card = json.loads(header["__metadata__"]["scenivid"])
    odd: list[Any] = [None, -1, 0, 10**7, 1e308, "", "x" * 5000, [], [1] * 5000, {}, True, "[/a]", "\x1b[2J"]
    places = [card, card["params"]]
    place = places[int(rng.integers(2))]
    place[list(place)[int(rng.integers(len(place)))]] = odd[int(rng.integers(len(odd)))]
    text = json.dumps(card) if rng.random() < 0.9 else "[" * 50_000
    header["__metadata__"]["scenivid"] = text
    made = json.dumps(header).encode()
    return len(made).to_bytes(8, "little") + made + data[8 + length :]


def _stretch(data: bytes, rng: Generator) -> tuple[int, int]:
    length = min(int(2 ** rng.uniform(1, 13)), max(1, len(data) // 3))
    return int(rng.integers(0, max(1, len(data) - length))), length


def _pictures() -> list[np.ndarray]:
    rng = default_rng(0)
    scene = cv2.resize(rng.integers(0, 255, (9, 16, 3), dtype=np.uint8), (160, 72))
    return [np.ascontiguousarray(scene[:48, 3 * n : 3 * n + 64]) for n in range(FRAMES)]


def _network() -> bytes:
    """Image to image: a convolution and its opposite."""
    make, float_ = onnx.helper, onnx.TensorProto.FLOAT
    shape: list[str | int | None] = [1, 3, "h", "w"]
    kernel = default_rng(0).normal(0, 0.1, (3, 3, 3, 3)).astype(np.float32)
    graph = make.make_graph(
        [
            make.make_node("Conv", ["x", "kernel"], ["a"], pads=[1, 1, 1, 1]),
            make.make_node("Sub", ["x", "a"], ["b"]),
            make.make_node("Clip", ["b"], ["y"]),
        ],
        "network",
        [make.make_tensor_value_info("x", float_, shape)],
        [make.make_tensor_value_info("y", float_, shape)],
        [make.make_tensor("kernel", float_, kernel.shape, kernel.ravel())],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def _write_video(path: Path, codec: str, pixels: str, sound: str | None, pictures: list[np.ndarray]) -> None:
    with av.open(str(path), "w") as file:
        video = cast(VideoStream, file.add_stream(codec, rate=25))
        video.width, video.height, video.pix_fmt = 64, 48, pixels
        audio = cast(AudioStream, file.add_stream(sound, rate=48_000)) if sound else None
        if audio is not None:
            audio.layout = "mono"
        for picture in pictures:
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        file.mux(video.encode())
        if audio is None:
            return
        tone = (8000 * np.sin(np.arange(24_000) / 9)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        resampler = av.AudioResampler(audio.format, "mono", 48_000, audio.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(audio.encode(part))
        file.mux(audio.encode())
