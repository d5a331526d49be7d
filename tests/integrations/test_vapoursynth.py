"""The VapourSynth filter without VapourSynth: a stand-in for the parts of its API that the filter uses."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_runs import FRAMES, read

import scenivid
from scenivid import StylizeSettings

FILE = Path(__file__).resolve().parents[2] / "integrations" / "vapoursynth" / "scenivid_vs.py"
RGB24, RGB48, YUV420P8 = 1, 2, 3
RGB, YUV = 10, 11


class Frame:
    def __init__(self, pixels: np.ndarray[Any, Any], props: dict[str, Any] | None = None) -> None:
        self.planes, self.props = np.moveaxis(pixels, 2, 0).copy(), dict(props or {})

    def __getitem__(self, plane: int) -> np.ndarray[Any, Any]:
        return self.planes[plane]

    def copy(self) -> Frame:
        return Frame(np.moveaxis(self.planes, 0, 2), self.props)

    def __enter__(self) -> Frame:
        return self

    def __exit__(self, *_: object) -> None: ...


class Node:
    def __init__(self, make: Callable[[int], Frame], count: int, shape: tuple[int, ...], form: int) -> None:
        self._make, self.num_frames = make, count
        self.height, self.width = shape[:2]
        self.format = SimpleNamespace(
            id=form, bits_per_sample=16 if form == RGB48 else 8, color_family=YUV if form == YUV420P8 else RGB
        )

    def get_frame(self, n: int) -> Frame:
        return self._make(n)


class Host(ModuleType):
    """`import vapoursynth` gives this."""

    def __init__(self) -> None:
        super().__init__("vapoursynth")
        self.RGB24, self.RGB48, self.YUV, self.MESSAGE_TYPE_WARNING = RGB24, RGB48, YUV, 2
        self.VideoNode, self.VideoFrame = Node, Frame
        self.Error = type("Error", (Exception,), {})
        self.log: list[str] = []
        self.resized: list[dict[str, Any]] = []
        self.at_end: list[Callable[[], None]] = []
        self.core = SimpleNamespace(
            num_threads=1,
            std=SimpleNamespace(BlankClip=self._blank, ModifyFrame=self._modify),
            resize=SimpleNamespace(Spline36=self._resize),
            log_message=lambda kind, text: self.log.append(text),
        )

    def register_on_destroy(self, close: Callable[[], None]) -> None:
        self.at_end.append(close)

    def get_current_environment(self) -> Any:
        return SimpleNamespace(use=contextlib.nullcontext)

    def _blank(self, clip: Node, keep: bool) -> Node:
        empty = np.zeros((clip.height, clip.width, 3), np.uint16 if clip.format.id == RGB48 else np.uint8)
        return Node(lambda n: Frame(empty), clip.num_frames, empty.shape, clip.format.id)

    def _modify(self, clip: Node, source: Node, selector: Callable[..., Frame]) -> Node:
        lock = threading.Lock()  # the real one is called by one thread at a time too

        def make(n: int) -> Frame:
            with lock:
                return selector(n=n, f=source.get_frame(n))

        return Node(make, clip.num_frames, (clip.height, clip.width), clip.format.id)

    def _resize(self, clip: Node, format: int, **more: Any) -> Node:
        self.resized.append({"format": format, **more})
        return Node(clip.get_frame, clip.num_frames, (clip.height, clip.width), format)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host()
    monkeypatch.setitem(sys.modules, "vapoursynth", host)
    yield host
    for close in host.at_end:
        close()


@pytest.fixture
def plugin(host: Host) -> ModuleType:
    spec = importlib.util.spec_from_file_location("scenivid_vs", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def settings(style: str) -> StylizeSettings:
    return StylizeSettings(style=style, device="cpu", flow="dis", engine="torch")


def _node(clip: Path, form: int = RGB24, times: int = 1, **props: Any) -> Node:
    pixels, _ = read(clip)
    pictures = pixels.permute(0, 2, 3, 1).numpy()
    if form == RGB48:
        pictures = pictures.astype(np.uint16) * 257
    return Node(
        lambda n: Frame(pictures[n % FRAMES], {"_DurationNum": n, **props}),
        FRAMES * times, pictures.shape[1:], form,
    )  # fmt: skip


def _picture(frame: Frame) -> np.ndarray[Any, Any]:
    return np.moveaxis(frame.planes, 0, 2)


def _expected(clip: Path, settings: StylizeSettings) -> list[np.ndarray[Any, Any]]:
    return [frame.pixels for frame in scenivid.frames(clip, settings)]


def test_frames_in_order_are_the_engines_own(
    clip: Path, settings: StylizeSettings, host: Host, plugin: ModuleType
) -> None:
    made = plugin.stylize(_node(clip), settings)
    for n, expected in enumerate(_expected(clip, settings)):
        frame = made.get_frame(n)
        assert np.abs(_picture(frame).astype(int) - expected).max() <= 1
        assert frame.props["_DurationNum"] == n and frame.props["ScenividRestart"] == (n == 0)
    assert not host.log and host.core.num_threads == 2


def test_a_host_with_many_threads_gets_the_same_frames(
    clip: Path, settings: StylizeSettings, host: Host, plugin: ModuleType
) -> None:
    made = plugin.stylize(_node(clip), settings)
    order = [1, 0, 3, 2, 5, 4, 7, 6, 10, 9, 8]
    with ThreadPoolExecutor(4) as pool:
        frames = dict(zip(order, pool.map(made.get_frame, order), strict=True))
    for n, expected in enumerate(_expected(clip, settings)):
        assert np.abs(_picture(frames[n]).astype(int) - expected).max() <= 1
    assert not host.log


def test_a_jump_says_so_and_begins_anew(
    clip: Path, settings: StylizeSettings, host: Host, plugin: ModuleType
) -> None:
    made = plugin.stylize(_node(clip, times=30), settings)
    made.get_frame(0)
    frame = made.get_frame(FRAMES * 20)
    assert "coherence begins anew" in host.log[0] and frame.props["ScenividRestart"] == 1
    assert np.abs(_picture(frame).astype(int) - _expected(clip, settings)[0]).max() <= 1
    assert made.get_frame(FRAMES * 20 + 1).props["ScenividRestart"] == 0
    assert made.get_frame(3).props["ScenividRestart"] == 1 and len(host.log) == 2


def test_sixteen_bits_and_other_formats_keep_their_format(
    clip: Path, settings: StylizeSettings, host: Host, plugin: ModuleType
) -> None:
    deep = plugin.stylize(_node(clip, RGB48), settings, strength=0.0)
    assert (_picture(deep.get_frame(2)) == _picture(_node(clip, RGB48).get_frame(2))).all()
    assert not host.resized
    made = plugin.stylize(_node(clip, YUV420P8), settings)
    assert made.format.id == YUV420P8
    assert host.resized == [
        {"format": RGB24, "matrix_in_s": "170m"}, {"format": YUV420P8, "matrix_s": "170m"},
    ]  # fmt: skip
    host.resized.clear()
    plugin.stylize(_node(clip, YUV420P8, _Matrix=1), settings)
    assert host.resized == [{"format": RGB24}, {"format": YUV420P8, "matrix": 1}]


def test_errors_are_the_hosts_own_in_one_line(clip: Path, host: Host, plugin: ModuleType) -> None:
    for dials, says in (({"style": "nonsense"}, "no style"), ({"strenght": 1}, "strenght")):
        with pytest.raises(host.Error, match=says):
            plugin.stylize(_node(clip), **dials)

    def broken(n: int) -> Frame:
        raise host.Error("the source is damaged")

    node = Node(broken, 9, (64, 96), RGB24)
    with pytest.raises(host.Error, match="the source is damaged"):
        plugin.stylize(node, style="none").get_frame(0)


def test_the_thread_ends_with_the_host(
    clip: Path, settings: StylizeSettings, host: Host, plugin: ModuleType
) -> None:
    made = plugin.stylize(_node(clip), settings)
    made.get_frame(0)
    host.at_end.pop()()
    assert not [thread for thread in threading.enumerate() if thread.name == "scenivid-vs"]
    with pytest.raises(host.Error, match="closed"):
        made.get_frame(10)
