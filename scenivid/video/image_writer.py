"""A folder of PNG frames, made aside and renamed when complete."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import torch

from scenivid.errors import OutputError
from scenivid.frames import Clip
from scenivid.video import aside
from scenivid.video.images import SUFFIXES
from scenivid.video.info import VideoInfo

_COMPRESSION = 3  # zlib level; 9 takes many times as long for a few per cent


class FolderWriter:
    """Writes 8- or 16-bit PNGs as deep as the source; see `VideoWriter`.

    Frames are named as in the source if that is a folder of frames (`a7.jpg` gives `a7.png`), else by
    number: `000001.png`, `000002.png`, …
    """

    def __init__(self, target: Path, info: VideoInfo, overwrite: bool) -> None:
        """Raises OutputError where the folder can't be made, or holds something other than frames."""
        deep = info.bit_depth > 8 and not info.color.hdr
        self.dtype = torch.uint16 if deep else torch.uint8
        self.encoder = "png"
        self.notes = _notes(info)
        self._target, self._info, self._overwrite = target, info, overwrite
        self._names = _names(info)
        self._count = 0
        if target.is_dir():
            _only_frames(target)
        self._part = aside.make_folder(target)

    def write(self, clip: Clip) -> None:
        """Append frames; see `VideoWriter.write`."""
        if clip.pixels.dtype != self.dtype:
            raise ValueError(f"expected {self.dtype}, got {clip.pixels.dtype}")
        rows = clip.pixels.flip(1).permute(0, 2, 3, 1).contiguous().numpy()  # OpenCV wants B, G, R
        for picture, pts in zip(rows, clip.pts, strict=True):
            self._count += 1
            name = f"{self._count:06d}"
            if self._names:
                # A trimmed folder starts in the middle: the time tells which file this frame was.
                name = self._names[round((pts - self._info.start) * self._info.rate_hz)]
            done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
            assert done
            with aside.writing(self._target):
                (self._part / f"{name}.png").write_bytes(data.tobytes())

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if not self._count:
                    raise OutputError(f"{self._target} can't be written: the source gave no frame")
                aside.publish(self._part, self._target, self._overwrite)
        finally:
            aside.discard(self._part)  # there no more once published


def _names(info: VideoInfo) -> tuple[str, ...]:
    stems = tuple(Path(name).stem for name in info.names)
    return stems if len(set(stems)) == len(stems) else ()


def _notes(info: VideoInfo) -> list[str]:
    notes = []
    if info.color.hdr:
        notes.append(f"HDR ({info.color.transfer}) was tone-mapped to SDR, BT.709, 8 bits")
    if info.container != "frames":
        notes.append("a folder of frames keeps no times and no metadata")
    for count, kind in ((len(info.audio), "audio"), (info.subtitles, "subtitle")):
        if count:
            notes.append(
                f"{count} {kind} track{'s' if count > 1 else ''} left out: a folder holds frames only"
            )
    return notes


def _only_frames(folder: Path) -> None:
    for path in folder.iterdir():
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            raise OutputError(
                f"{folder} holds {path.name}, which is no frame: choose another folder, or a new one"
            )
