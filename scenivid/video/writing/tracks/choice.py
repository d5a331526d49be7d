"""How each of the source's tracks goes along, found out by trial before anything is encoded."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from scenivid.video.container import open_container
from scenivid.video.formats import Container
from scenivid.video.info import VideoInfo
from scenivid.video.writing.tracks.copied import CopiedTrack, name_of
from scenivid.video.writing.tracks.sound import EncodedSound
from scenivid.video.writing.tracks.text import ConvertedText
from scenivid.video.writing.tracks.window import Window

_EARLY = 500
"""Packets among which the first of each audio track is looked for."""


class Track(Protocol):
    """One track of the source on its way into the output."""

    @property
    def stream(self) -> Stream:
        """The source's."""
        ...

    def add(self, output: OutputContainer) -> None:
        """Make its place in the output."""
        ...

    def packets(self, packet: Packet[Any], window: Window) -> Iterator[Packet[Any]]:
        """What is to be muxed for a packet of the source."""
        ...

    def finish(self, window: Window) -> Iterator[Packet[Any]]:
        """What is to be muxed after the last one."""
        ...

    def notes(self) -> list[str]:
        """What could not be kept."""
        ...

    def close(self) -> None:
        """Release what is open."""
        ...


@dataclass
class Choice:
    """What goes along."""

    tracks: dict[int, Track] = field(default_factory=dict)
    """What becomes of each track, by its index in the source."""
    covers: list[tuple[Stream, bytes]] = field(default_factory=list)
    """Each with its picture."""
    timecode: str | None = None
    """Timecode of the first frame."""
    notes: list[str] = field(default_factory=list)
    """What doesn't go along."""


def choose(source: InputContainer, info: VideoInfo, container: Container) -> Choice:
    """Decide for every track of `source` but the picture that is styled."""
    choice = Choice()
    left_out: dict[str, list[str]] = {}
    chapters = bool(source.chapters())
    first = _first_packets(info.path)
    for stream in source.streams:
        if stream.index == info.stream_index:
            continue
        if stream.disposition & Disposition.dependent:  # a tile of the picture
            continue
        if stream.disposition & Disposition.attached_pic:
            data = _cover(info.path, stream.index)
            if data is not None and container.covers != "none":
                choice.covers.append((stream, data))
            else:
                left_out.setdefault("cover", []).append(name_of(stream))
        elif isinstance(stream, VideoStream):
            known = stream.codec_context is not None  # else it has no size either
            size = f"{stream.width}x{stream.height}" if known else "unknown"
            left_out.setdefault("other video", []).append(size)
        elif stream.type == "data" and "timecode" in stream.metadata:
            choice.timecode = stream.metadata["timecode"]
            if not container.exact_end:
                choice.notes.append(
                    f"timecode track left out: {container.suffix} can't hold it, "
                    f"its start {choice.timecode} is kept as a tag"
                )
        elif stream.type == "data" and chapters and getattr(stream, "name", "") == "bin_data":
            pass  # what the mov family keeps chapters in, which the muxer makes anew
        elif (track := _route(stream, first.get(stream.index), container)) is not None:
            choice.tracks[stream.index] = track
        else:
            left_out.setdefault(stream.type, []).append(name_of(stream))
    for kind, names in left_out.items():
        noun = kind if kind in {"attachment", "cover"} else f"{kind} track"
        tracks = f"{len(names)} {noun}{'s' if len(names) > 1 else ''} ({', '.join(names)})"
        why = "one picture is styled" if kind == "other video" else f"can't be stored in {container.suffix}"
        choice.notes.append(f"{tracks} left out: {why}")
    return choice


def _route(stream: Stream, first: Packet[Any] | None, container: Container) -> Track | None:
    """As it is, in another codec, or (None) not at all."""
    with contextlib.suppress(FFmpegError, ValueError):
        if CopiedTrack.fits(stream, container.muxer, first):
            return CopiedTrack(stream, container.muxer)
        if isinstance(stream, AudioStream) and container.sound and stream.codec_context:
            return EncodedSound(stream, container.sound, container.suffix)
        if isinstance(stream, SubtitleStream) and container.text and stream.codec_context:
            return ConvertedText(stream, container.text, container.suffix)
    return None


def _first_packets(path: Path) -> dict[int, Packet[Any]]:
    """The first packet of each audio track by index, as far as it comes early."""
    found: dict[int, Packet[Any]] = {}
    with open_container(path, known=True) as source, contextlib.suppress(FFmpegError, OSError):
        wanted = source.streams.audio
        for packet in itertools.islice(source.demux(wanted) if wanted else (), _EARLY):
            if packet.size:
                found.setdefault(packet.stream.index, packet)
            if len(found) == len(wanted):
                break
    return found


def _cover(path: Path, index: int) -> bytes | None:
    """The picture in the track `index` of cover art; None where there is none."""
    with open_container(path) as source, contextlib.suppress(FFmpegError, OSError):
        for packet in source.demux(source.streams[index]):
            if packet.size:
                return bytes(packet)
    return None
