"""Folders of PNG frames and single images, made aside and renamed when complete."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2

from scenivid.errors import OutputError
from scenivid.machine import aside
from scenivid.machine.lazy import torch
from scenivid.pixels import Clip, StoredClip
from scenivid.video.info import VideoInfo
from scenivid.video.reading.pictures.images import SUFFIXES
from scenivid.video.writing.encoding.frames import over_black
from scenivid.video.writing.images.tags import ImageTags, read_tags, with_tags
from scenivid.video.writing.one_go import InOneGo
from scenivid.video.writing.picture.pieces import Piece, WorkPlace, sync

if TYPE_CHECKING:
    from torch import Tensor

_COMPRESSION = 3  # zlib level; 9 takes many times as long for a few per cent
_JPEG_QUALITY = 95
_DEEP = {".png", ".tif", ".tiff"}
_TRANSPARENT = {".png", ".webp", ".tif", ".tiff"}


class FolderWriter:
    """Writes 8- or 16-bit PNGs as deep as the source; see `VideoWriter`.

    Frames are named as in the source if that is a folder of frames (`a7.jpg` gives `a7.png`), else by
    number: `000001.png`, `000002.png`, …
    """

    def __init__(self, target: Path, info: VideoInfo, overwrite: bool, work: WorkPlace | None = None) -> None:
        """Raises OutputError where the folder can't be made, or holds something other than frames."""
        deep = info.bit_depth > 8 and not info.color.hdr
        self.dtype = torch.uint16 if deep else torch.uint8
        self.stored = None
        self.encoder = "png"
        self.notes = _notes(info)
        self._target, self._info, self._overwrite = target, info, overwrite
        self._names = _names(info)
        self._count = 0 if work is None else work.frames
        if target.is_dir():
            _only_frames(target)
        self._fresh: list[Path] = []
        """Written, and perhaps not yet on the disk."""
        self._own, self._kept = work is None, self._count
        self._whole = work is None or work.whole
        self._pieces = 0 if work is None else len(work.pieces)
        if work is None:
            self._part = aside.make_folder(target)
        else:
            self._part = work.frames_folder or work.folder / "frames"
            with aside.writing(target):
                self._part.mkdir(exist_ok=True)

    @property
    def restartable(self) -> bool:
        """See `VideoWriter.restartable`."""
        return True

    @property
    def ticks(self) -> dict[str, Any]:
        """A folder knows no time."""
        return {}

    def skip(self, clip: Clip | StoredClip) -> None:
        """Pass over frames that somebody else writes; see `VideoWriter.skip`."""
        self._count += len(clip)
        self._kept = self._count

    def end_piece(self) -> Piece | None:
        """Count what was written since the last piece; see `VideoWriter.end_piece`."""
        with aside.writing(self._target):
            for path in self._fresh:
                with path.open("rb+") as file:
                    sync(file)
        self._fresh = []
        frames, self._kept = self._count - self._kept, self._count
        self._pieces += 1
        return Piece(self._pieces - 1, frames) if frames else None

    def write(self, clip: Clip | StoredClip) -> None:
        """Append frames; see `VideoWriter.write`."""
        if isinstance(clip, StoredClip) or clip.pixels.dtype != self.dtype:
            raise ValueError(f"expected RGB of {self.dtype}")
        opacity = [None] * len(clip) if clip.alpha is None else clip.alpha
        for pixels, alpha, pts in zip(clip.pixels, opacity, clip.pts, strict=True):
            self._count += 1
            name = f"{self._count:06d}"
            if self._names:
                # A trimmed folder starts in the middle: the time tells which file this frame was.
                name = self._names[round((pts - self._info.start) * self._info.rate_hz)]
            self._fresh.append(self._part / f"{name}.png")
            with aside.writing(self._target):
                self._fresh[-1].write_bytes(encoded(pixels, alpha, ".png"))

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._whole:
                if not self._count:
                    raise OutputError(f"{self._target} can't be written: the source gave no frame")
                aside.publish(self._part, self._target, self._overwrite)
                others = len(_visible(self._target)) - self._count
                if others > 0:
                    self.notes.append(
                        f"{others} other file{'s' if others > 1 else ''} in {self._target} left as found"
                    )
        finally:
            if self._own:
                aside.discard(self._part)  # there no more once published


class StillWriter(InOneGo):
    """Writes the one frame of a still image as an image; see `VideoWriter`."""

    def __init__(self, target: Path, info: VideoInfo, overwrite: bool) -> None:
        """Raises OutputError where the source is more than one picture."""
        if info.frames != 1:
            raise OutputError(
                f"{target} holds one picture, the source has {info.frames or 'many'}: "
                "name a video file, or a folder of frames (without a suffix)"
            )
        self._suffix = target.suffix.lower()
        deep = info.bit_depth > 8 and self._suffix in _DEEP
        self.dtype = torch.uint16 if deep else torch.uint8
        self.stored = None
        self.encoder = self._suffix.lstrip(".")
        self.notes = [] if deep or info.bit_depth == 8 else [f"{self._suffix} stores 8 bits"]
        self._tags = read_tags(info.path) if info.path.is_file() else ImageTags()
        if self._tags != ImageTags() and with_tags(b"", self._suffix, self._tags) is None:
            self.notes.append(
                "colour profile and camera data left out: only .png, .jpg and .webp keep them here"
            )
        if info.alpha and self._suffix not in _TRANSPARENT:
            self.notes.append(f"{self._suffix} can't hold transparency: it was laid on black")
        self._target, self._overwrite = target, overwrite
        self._part = aside.make_file(target)

    def write(self, clip: Clip | StoredClip) -> None:
        """Write the picture; see `VideoWriter.write`."""
        if isinstance(clip, StoredClip) or clip.pixels.dtype != self.dtype or len(clip) != 1:
            raise ValueError(f"expected one picture of {self.dtype}, got {len(clip)}")
        with aside.writing(self._target):
            alpha = None if clip.alpha is None else clip.alpha[0]
            data = encoded(clip.pixels[0], alpha, self._suffix)
            self._part.write_bytes(with_tags(data, self._suffix, self._tags) or data)

    def __enter__(self) -> StillWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if not self._part.stat().st_size:
                    raise OutputError(f"{self._target} can't be written: the source gave no frame")
                aside.publish(self._part, self._target, self._overwrite)
        finally:
            aside.discard(self._part)


def encoded(pixels: Tensor, alpha: Tensor | None, suffix: str, quality: int | None = None) -> bytes:
    """One picture as the bytes of an image file.

    Args:
        pixels: [3, H, W], uint8 or uint16.
        alpha: [1, H, W] of the same dtype; where the format has no room for it, it lies on black.
        suffix: of the format.
        quality: of WebP, 1 to 100; lossless above, and by default.
    """
    if alpha is not None and suffix not in _TRANSPARENT:
        pixels, alpha = over_black(pixels, alpha), None
    planes = pixels.flip(0)  # OpenCV wants B, G, R
    if alpha is not None:
        planes = torch.cat([planes, alpha])
    picture = planes.permute(1, 2, 0).contiguous().numpy()
    options = {".png": [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION]}
    options |= {key: [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] for key in (".jpg", ".jpeg")}
    if quality is not None:
        options[".webp"] = [cv2.IMWRITE_WEBP_QUALITY, quality]
    done, data = cv2.imencode(suffix, picture, options.get(suffix, []))
    assert done
    file: bytes = data.tobytes()
    return file


def left_out(info: VideoInfo, why: str) -> list[str]:
    """Sentences about what of a source can't be kept: HDR, sound and subtitles."""
    notes = []
    if info.color.hdr:
        notes.append(f"HDR ({info.color.transfer}) was tone-mapped to SDR, BT.709, 8 bits")
    for count, kind in ((len(info.audio), "audio"), (info.subtitles, "subtitle")):
        if count:
            notes.append(f"{count} {kind} track{'s' if count > 1 else ''} left out: {why}")
    return notes


def _names(info: VideoInfo) -> tuple[str, ...]:
    stems = tuple(Path(name).stem for name in info.names)
    return stems if len(set(stems)) == len(stems) else ()


def _notes(info: VideoInfo) -> list[str]:
    moving = info.container != "frames"
    notes = ["a folder of frames keeps no times and no metadata"] if moving else []
    return notes + left_out(info, "a folder holds frames only")


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, but for hidden things and folders."""
    return [path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir()]


def _only_frames(folder: Path) -> None:
    for path in _visible(folder):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            raise OutputError(
                f"{folder} holds {path.name}, which is no frame: choose another folder, or a new one"
            )
