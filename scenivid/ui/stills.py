"""Still previews: a frame of a source as it is and as it will look, at once; and thumbnails of it."""

from __future__ import annotations

import io
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import cv2
from PIL import Image

from scenivid.engine.chain import Chain
from scenivid.engine.loading.loaded import Loaded
from scenivid.engine.stages import Stopwatch
from scenivid.errors import InputError, ScenividError
from scenivid.machine.cores import set_up
from scenivid.machine.devices import resolve_device
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip
from scenivid.ui.choices import Choices, exact
from scenivid.ui.place import new_id
from scenivid.ui.sources import Source, probed
from scenivid.video.glance import glance
from scenivid.video.info import VideoInfo
from scenivid.video.open import Looked, look_into, open_again, open_video
from scenivid.video.tonemap import tonemap

LONG_SIDE = 1280
"""Of a preview, in pixels."""
_PAINTED_LONG_SIDE = 1920
"""Of what is painted for a preview and then made smaller, at most: where finer strokes are asked for."""
THUMBNAIL_SHORT_SIDE = 216
_FRAMES, _PICTURES, _STYLES = 12, 96, 16
"""How many are kept."""
_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Still:
    """One frame before and after."""

    before: bytes
    """JPEG."""
    after: bytes
    """JPEG, of the same size."""
    width: int
    height: int
    token: str = ""
    """By which `fetch` finds it again."""


class Stills:
    """Makes stills, one at a time, and remembers the last ones. From any thread.

    Somebody waits for each: styles stay loaded, and thumbnails let larger ones go first.
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._turn = threading.Condition()
        self._painting, self._waiting = False, 0
        self._loaded = Loaded(_STYLES)
        self._frames: OrderedDict[Hashable, Clip] = OrderedDict()
        self._made: OrderedDict[tuple[Hashable, ...], Still] = OrderedDict()

    def fetch(self, user: str, token: str) -> Still:
        """A still that was made for this user a short while ago.

        Raises:
            InputError: it wasn't, or is forgotten.
        """
        for (owner, *_), still in list(self._made.items()):
            if owner == user and still.token == token:
                return still
        raise InputError("this preview is forgotten: ask for it again")

    def still(self, user: str, source: Source, at: float, choices: Choices, thumbnail: bool = False) -> Still:
        """The frame shown `at` seconds after the first, and the same stylized; as in a run's first frame.

        Raises:
            InputError: the source can't be read there.
            CheckpointError, ConfigError: the style can't be loaded or doesn't suit.
        """
        look = replace(choices, consistency=0.0, start=None, duration=None, format=None)
        state = source.path.stat()
        long_side = _painted_at(source, choices.paint)
        frame_key = (source.path, state.st_mtime_ns, state.st_size, round(at, 3), long_side)

        def make() -> Still:
            clip = _remember(self._frames, frame_key, lambda: _frame(source, at, long_side), _FRAMES)
            return self._paint(_small(clip) if thumbnail else clip, look)

        with self._alone(thumbnail):
            return _remember(self._made, (user, frame_key, look, thumbnail), make, _PICTURES)

    def warm_up(self) -> None:
        """Load what the first still needs, while somebody still chooses a file."""
        try:
            with self._alone(thumbnail=True):
                self._paint(Clip(torch.zeros(1, 3, 96, 160, dtype=torch.uint8), (Fraction(0),)), Choices())
        except ScenividError as exc:  # whoever asks for a still is told
            _log.info("no still can be made: %s", exc)

    @contextmanager
    def _alone(self, thumbnail: bool) -> Iterator[None]:
        with self._turn:
            self._waiting += not thumbnail
            self._turn.wait_for(lambda: not self._painting and not (thumbnail and self._waiting))
            self._waiting -= not thumbnail
            self._painting = True
        try:
            yield
        finally:
            with self._turn:
                self._painting = False
                self._turn.notify_all()

    def _paint(self, clip: Clip, choices: Choices) -> Still:
        settings = replace(choices.settings(self._device), engine="torch")  # others take longer to begin
        height, width = clip.pixels.shape[-2:]
        device = resolve_device(settings.device)
        chain = Chain.build(settings, device, None, (height, width), torch.uint8, [], loaded=self._loaded)
        with set_up(chain.threads), chain.running(chain.parts([clip]), Stopwatch()) as results:
            (after,) = [part.source for part in results]
        assert isinstance(after, Clip)
        before, after = _fitted(clip, LONG_SIDE), _fitted(after, LONG_SIDE)
        height, width = after.pixels.shape[-2:]
        return Still(_jpeg(before), _jpeg(after), width, height, new_id())


def picture(path: Path) -> bytes:
    """A picture as JPEG, for pages.

    Raises:
        InputError: it can't be read.
    """
    with open_video(path) as reader:
        clip = next(iter(reader.clips(1)))
    return _jpeg(_resized(clip, 2 * LONG_SIDE / max(clip.pixels.shape[-2:])))


def _remember(kept: OrderedDict[_K, _T], key: _K, make: Callable[[], _T], most: int) -> _T:
    if key not in kept:
        kept[key] = make()
        while len(kept) > most:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return kept[key]


def _painted_at(source: Source, paint: int | str) -> int:
    """Longer side, in pixels, of the frame that is painted: strokes are then as large as in the result."""
    long, short = max(source.width, source.height), min(source.width, source.height)
    wanted = short if paint == "full" else min(paint, short) if isinstance(paint, int) else 0
    return max(LONG_SIDE, min(_PAINTED_LONG_SIDE, round(long * wanted / short)))


@lru_cache(maxsize=8)
def _looked(path: Path, changed_ns: int, size: int) -> Looked | None:
    """The frame times of a long video: to read them takes longer than to read one frame."""
    return look_into(path)


def _frame(source: Source, at: float, long_side: int) -> Clip:
    """One frame, 8 bits, no larger than that."""
    last = max(0.0, (source.duration or 0.0) - 1 / max(source.rate_hz, 1.0))
    begin = exact(min(at, last)) or Fraction(0)
    info = probed(source.path)
    clip = glance(info, begin)
    if clip is None:
        clip, info = _read(source, begin, last)
    return _fitted(tonemap(clip, info) if info.color.hdr else clip, long_side)


def _read(source: Source, begin: Fraction, last: float) -> tuple[Clip, VideoInfo]:
    """The frame as a run reads it."""
    state = source.path.stat()
    known = _looked(source.path, state.st_mtime_ns, state.st_size)
    for start in (begin, exact(max(0.0, last - 1.0)), None):  # what the header says of the end may be wrong
        try:
            with open_again(known, start) if known else open_video(source.path, start=start) as reader:
                return next(iter(reader.clips(1))), reader.info
        except InputError:
            if start is None:
                raise
    raise AssertionError("the last one returns or raises")


def _fitted(clip: Clip, long_side: int) -> Clip:
    return _resized(clip, long_side / max(clip.pixels.shape[-2:]))


def _small(clip: Clip) -> Clip:
    return _resized(clip, THUMBNAIL_SHORT_SIDE / min(clip.pixels.shape[-2:]))


def _resized(clip: Clip, scale: float) -> Clip:
    """8 bits, and smaller if the scale says so."""
    rows = clip.pixels[0].permute(1, 2, 0).numpy()
    if rows.dtype.itemsize == 2:
        rows = (rows >> 8).astype("uint8")
    if scale < 1:
        size = [max(2, round(side * scale)) for side in (rows.shape[1], rows.shape[0])]
        rows = cv2.resize(rows, (size[0], size[1]), interpolation=cv2.INTER_AREA)
    return Clip(torch.from_numpy(rows.copy()).permute(2, 0, 1)[None], clip.pts)


def _jpeg(clip: Clip) -> bytes:
    file = io.BytesIO()
    Image.fromarray(clip.pixels[0].permute(1, 2, 0).contiguous().numpy()).save(file, "JPEG", quality=90)
    return file.getvalue()
