"""Stylised frames as a Python program wants them: one after the other, as arrays."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scenivid.engine.chain import Chain
from scenivid.engine.settings import StylizeSettings
from scenivid.engine.stages import Stopwatch
from scenivid.errors import InputError
from scenivid.machine.cores import Threads, available, set_up
from scenivid.machine.devices import resolve_device
from scenivid.pixels import Clip, StoredClip
from scenivid.styles.stylizer import Stylizer
from scenivid.video.open import open_video
from scenivid.video.reading.pictures.images import RATE_HZ
from scenivid.video.tonemap import tonemap

Picture = npt.NDArray[Any]
"""RGB or RGBA, uint8 or uint16, [H, W, 3 or 4]."""
_DEPTHS = {np.dtype(np.uint8): torch.uint8, np.dtype(np.uint16): torch.uint16}


class StyledFrame(NamedTuple):
    """One frame of a result."""

    pixels: npt.NDArray[Any]
    """RGB, or RGBA where the source is transparent, uint8 or uint16, [H, W, 3 or 4]."""
    pts: Fraction
    """When it is shown, in seconds."""


def frames(
    source: Path | str | Iterable[npt.NDArray[Any]],
    settings: StylizeSettings | None = None,
    *,
    stylizer: Stylizer | None = None,
) -> Generator[StyledFrame, None, None]:
    """Stylize a source and yield its frames, steadied, as they are finished.

        for pixels, pts in scenivid.frames("in.mp4", scenivid.StylizeSettings(style="cel")):
            ...

    A few frames are worked on ahead of the one that is asked for; memory doesn't grow with the length. A loop
    that is left early, or `close()`, stops every thread.

    Args:
        source: a file, a folder of frames, `-` for the standard input; or arrays [H, W, 3 or 4], uint8 or
            uint16, all alike, which come `settings.fps` (24) a second.
        settings: of these, what is about the output file has no meaning here; None for the defaults.
        stylizer: used in place of `settings.style`.

    Raises:
        InputError: the source can't be read; an array differs from the first.
        CheckpointError: the style or the flow weights can't be loaded.
        ConfigError: settings that don't go together.
    """
    settings = settings or StylizeSettings()
    if not isinstance(source, Path | str):
        yield from _stylized(_clips(source, settings.fps or RATE_HZ), settings, stylizer)
        return
    path = Path(source)
    with open_video(path, settings.decoder, settings.start, settings.duration, settings.reading) as reader:
        info = reader.info
        clips = (tonemap(clip, info) if info.color.hdr else clip for clip in reader.clips(1))
        yield from _stylized(clips, settings, stylizer)


class FrameStylizer:
    """Stylizes frames that come one by one, in order, and remembers what coherence needs.

    For programs that have the frames themselves: hosts of plug-ins, cameras. Use it in `with`, or `close` it.
    It may be called from any thread, one at a time.
    """

    def __init__(
        self,
        settings: StylizeSettings,
        width: int,
        height: int,
        *,
        deep: bool = False,
        stylizer: Stylizer | None = None,
    ) -> None:
        """Load the style.

        Args:
            settings: what is about files has no meaning here.
            width: of the frames, in pixels.
            height: of the frames, in pixels.
            deep: frames are uint16, not uint8.
            stylizer: used in place of `settings.style`.

        Raises:
            CheckpointError: the style or the flow weights can't be loaded.
            ConfigError: settings that don't go together.
        """
        self.notes: list[str] = []
        """What stages have to tell."""
        self._shape, self._dtype = (height, width), np.dtype(np.uint16 if deep else np.uint8)
        device = resolve_device(settings.device)
        plain = replace(settings, serial=True, batch=1)
        self._chain = Chain.build(plain, device, stylizer, (height, width), _DEPTHS[self._dtype], self.notes)
        cores = available()
        self._threads = Threads(1, cores, max(1, cores // 2))  # there is one frame at a time
        self._blank = tuple((stage.name, stage.state()) for stage in self._chain.stages)
        self._lock, self._stack = threading.Lock(), ExitStack()
        self._next: Clip | None = None
        self._results: Iterator[Any] | None = None
        self._count = 0

    def __call__(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The next frame, stylised.

        Args:
            pixels: RGB or RGBA, [H, W, 3 or 4], uint8 or uint16 as told before.

        Raises:
            InputError: another size or kind of number.
        """
        if pixels.dtype != self._dtype or pixels.shape[:2] != self._shape or pixels.shape[2:] not in _PLANES:
            height, width = self._shape
            raise InputError(
                f"expected {height}x{width} pixels of RGB or RGBA in {self._dtype}, got "
                f"{'x'.join(map(str, pixels.shape))} of {pixels.dtype}"
            )
        with self._lock, set_up(self._threads):
            if self._results is None:
                running = self._chain.running(self._chain.parts(self._fed()), Stopwatch())
                self._results = self._stack.enter_context(running)
            self._next = _clip(pixels, Fraction(self._count))
            self._count += 1
            try:
                return _pictures(next(self._results).source)[0].pixels
            except BaseException:
                self._begin_again()
                raise

    def forget(self) -> None:
        """Have the next frame be the first again: after a jump, say."""
        with self._lock:
            self._begin_again()

    def close(self) -> None:
        """Let go of what is held; safe to call twice."""
        with self._lock:
            self._stack.close()

    def __enter__(self) -> FrameStylizer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin_again(self) -> None:
        self._stack.close()
        self._results = None
        self._chain.restore(self._blank)

    def _fed(self) -> Generator[Clip, None, None]:
        while self._next is not None:
            clip, self._next = self._next, None
            yield clip


_PLANES = ((3,), (4,))


def _stylized(
    clips: Iterator[Clip], settings: StylizeSettings, stylizer: Stylizer | None
) -> Generator[StyledFrame, None, None]:
    """Send clips of one frame through the stages."""
    with closing(_closable(clips)) as left:
        first = next(left, None)
        if first is None:
            raise InputError("the source gave no frame")
        device = resolve_device(settings.device)
        size = (first.pixels.shape[-2], first.pixels.shape[-1])
        chain = Chain.build(settings, device, stylizer, size, first.pixels.dtype, [])
        whole = _joined(first, left, chain.batch)
        with set_up(chain.threads), chain.running(chain.parts(whole), Stopwatch()) as results:
            for part in results:
                yield from _pictures(part.source)


def _closable(clips: Iterator[Clip]) -> Generator[Clip, None, None]:
    try:
        yield from clips
    finally:
        if isinstance(clips, Generator):
            clips.close()


def _joined(first: Clip, left: Iterator[Clip], batch: int) -> Generator[Clip, None, None]:
    """Clips of `batch` frames."""
    held = [first, *islice(left, batch - 1)]
    while held:
        yield held[0] if len(held) == 1 else _of(held)
        held = list(islice(left, batch))


def _of(clips: list[Clip]) -> Clip:
    opacity = [clip.alpha for clip in clips if clip.alpha is not None]
    return Clip(
        torch.cat([clip.pixels for clip in clips]),
        tuple(time for clip in clips for time in clip.pts),
        None,
        torch.cat(opacity) if opacity else None,
    )


def _clips(arrays: Iterable[Picture], rate_hz: Fraction) -> Generator[Clip, None, None]:
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    for number, pixels in enumerate(arrays):
        if shape is None:
            shape, dtype = pixels.shape, pixels.dtype
            if dtype not in _DEPTHS or len(shape) != 3 or shape[2:] not in _PLANES:
                raise InputError(
                    f"an array of {'x'.join(map(str, shape))} {dtype} is no frame: expected "
                    "height x width x 3 or 4, uint8 or uint16"
                )
        if pixels.shape != shape or pixels.dtype != dtype:
            raise InputError(f"frame {number + 1} differs from the first in size, planes or depth")
        yield _clip(pixels, number / rate_hz)


def _clip(pixels: Picture, pts: Fraction) -> Clip:
    whole = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    colour, alpha = whole[:, :3], (whole[:, 3:] if whole.shape[1] == 4 else None)
    if alpha is not None:  # colour that nobody sees stays unseen
        seen = alpha.to(torch.int32) > 0
        colour = torch.where(seen, colour.to(torch.int32), 0).to(whole.dtype)
    return Clip(colour, (pts,), None, alpha)


def _pictures(clip: Clip | StoredClip) -> list[StyledFrame]:
    assert isinstance(clip, Clip)
    pixels: Tensor = clip.pixels if clip.alpha is None else torch.cat([clip.pixels, clip.alpha], dim=1)
    rows = pixels.permute(0, 2, 3, 1).contiguous().numpy()
    return [StyledFrame(picture, time) for picture, time in zip(rows, clip.pts, strict=True)]
