"""scenivid as a VapourSynth filter: stylised frames in the order of the video, coherence kept.

import vapoursynth as vs
from scenivid_vs import stylize

clip = vs.core.bs.VideoSource("in.mkv")
stylize(clip, style="cel", strength=0.8).set_output()
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import vapoursynth as vs

import scenivid

_AHEAD = 8
"""Frames that are stylised beyond the last one that was asked for."""
_KEPT = 64
"""Finished frames that wait to be asked for, or asked for again."""
_CATCH_UP = 100
"""Frames that are stylised unseen to reach one that is asked for early; a longer way is a jump."""
RESTART = "ScenividRestart"
"""Property of a frame at which coherence began anew: the first, and each after a jump."""


def stylize(
    clip: vs.VideoNode, settings: scenivid.StylizeSettings | None = None, **dials: Any
) -> vs.VideoNode:
    """Stylize a clip; its length, rate, format and frame properties stay.

    Coherence needs frames in order. They are made in order, whatever the order in which the host asks; a jump
    (scrubbing in a previewer) begins anew there, says so in the log, and marks the frame `ScenividRestart`.

    Args:
        clip: of one size and format. YUV is converted to RGB and back by the resizer, by the matrix in its
            frame properties or else BT.709 from 720 rows on, BT.601 below.
        settings: all dials at once; `dials` change single ones.
        dials: `style`, `strength`, `ink`, `consistency`, `paint`, … of `scenivid.StylizeSettings`.
    """
    if clip.format is None or not clip.width or not clip.height:
        raise vs.Error("scenivid: the clip must have one format and one size throughout")
    values = {**vars(settings), **dials} if settings is not None else dials
    try:
        chosen = scenivid.StylizeSettings(**values)
        rgb = _as_rgb(clip)
        stylizer = scenivid.FrameStylizer(
            chosen, clip.width, clip.height, deep=rgb.format.bits_per_sample > 8
        )
    except (scenivid.ScenividError, TypeError) as exc:
        raise vs.Error(f"scenivid: {exc}") from exc
    if vs.core.num_threads < 2:
        vs.core.num_threads = 2  # one waits for frames, another fetches them
    line = _Line(rgb, stylizer)
    vs.register_on_destroy(line.close)
    empty = vs.core.std.BlankClip(rgb, keep=True)
    return _as_was(vs.core.std.ModifyFrame(empty, empty, line.frame), clip)


class _Line:
    """Makes frames in order, in a thread of its own, and hands them out in any."""

    def __init__(self, clip: vs.VideoNode, stylizer: scenivid.FrameStylizer) -> None:
        self._clip, self._stylizer = clip, stylizer
        self._wake = threading.Condition()
        self._done: OrderedDict[int, tuple[np.ndarray[Any, Any], dict[str, Any]]] = OrderedDict()
        self._next, self._wanted = 0, -1
        self._began = True
        self._closed, self._error = False, ""
        self._environment = vs.get_current_environment()
        self._thread = threading.Thread(target=self._run, name="scenivid-vs", daemon=True)

    def frame(self, n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        """Frame `n`; `f` is an empty one to be filled."""
        with self._wake:
            if not self._thread.is_alive() and not self._closed and not self._thread.ident:
                self._thread.start()
            if n not in self._done and not self._next <= n <= self._next + _CATCH_UP:
                self._jump(n)
            self._wanted = max(self._wanted, n)
            self._wake.notify_all()
            self._wake.wait_for(lambda: n in self._done or self._error or self._closed)
            if n not in self._done:
                raise vs.Error(f"scenivid: {self._error or 'closed'}")
            pixels, properties = self._done[n]
        made = f.copy()
        for plane in range(3):
            np.copyto(np.asarray(made[plane]), pixels[..., plane])
        for name, value in properties.items():
            made.props[name] = value
        return made

    def close(self) -> None:
        """Stop the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._thread.ident and self._thread is not threading.current_thread():
            self._thread.join()
        self._stylizer.close()

    def _jump(self, n: int) -> None:
        vs.core.log_message(
            vs.MESSAGE_TYPE_WARNING,
            f"scenivid: frame {n} was asked for where {self._next} is next: coherence begins anew there",
        )
        self._next, self._wanted, self._began = n, n, True
        self._done.clear()

    def _run(self) -> None:
        with self._environment.use():
            while True:
                with self._wake:
                    self._wake.wait_for(self._busy)
                    if self._closed:
                        return
                    number, began = self._next, self._began
                try:
                    made = self._made(number, began)
                except Exception as exc:  # the host's error, or ours: whoever waits is told
                    with self._wake:
                        self._error = str(exc)
                        self._wake.notify_all()
                    return
                with self._wake:
                    if number != self._next or began != self._began:
                        continue  # a jump came between
                    self._began, self._next = False, number + 1
                    self._done[number] = made
                    while len(self._done) > _KEPT:
                        self._done.popitem(last=False)
                    self._wake.notify_all()

    def _busy(self) -> bool:
        ahead = self._next <= min(self._wanted + _AHEAD, self._clip.num_frames - 1)
        return self._closed or (ahead and self._wanted >= 0)

    def _made(self, number: int, began: bool) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        if began:
            self._stylizer.forget()
        with self._clip.get_frame(number) as source:
            planes = [np.asarray(source[plane]) for plane in range(3)]
            properties = dict(source.props)
            pixels = self._stylizer(np.stack(planes, axis=2))
        return pixels, {**properties, RESTART: int(began)}


def _as_rgb(clip: vs.VideoNode) -> vs.VideoNode:
    wanted = vs.RGB48 if clip.format.bits_per_sample > 8 else vs.RGB24
    if clip.format.id == wanted:
        return clip
    more = {}
    if clip.format.color_family == vs.YUV and "_Matrix" not in _first_properties(clip):
        more["matrix_in_s"] = _guess(clip)
    return vs.core.resize.Spline36(clip, format=wanted, **more)


def _as_was(made: vs.VideoNode, clip: vs.VideoNode) -> vs.VideoNode:
    if made.format.id == clip.format.id:
        return made
    more = {}
    if clip.format.color_family == vs.YUV:
        known = _first_properties(clip).get("_Matrix")
        more = {"matrix_s": _guess(clip)} if known is None else {"matrix": known}
    return vs.core.resize.Spline36(made, format=clip.format.id, **more)


def _first_properties(clip: vs.VideoNode) -> dict[str, Any]:
    with clip.get_frame(0) as frame:
        known = dict(frame.props)
    if known.get("_Matrix") == 2:  # unspecified
        del known["_Matrix"]
    return known


def _guess(clip: vs.VideoNode) -> str:
    return "709" if clip.height >= 720 else "170m"
