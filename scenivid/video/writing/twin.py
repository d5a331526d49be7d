"""One track of a source and its twin in an output: what goes along, and whether the container takes it."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from scenivid.video.container import open_container

_BRANDS = {"major_brand", "minor_version", "compatible_brands", "encoder", "rotate"}
_STATISTICS = ("BPS", "DURATION", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "SOURCE_ID", "_STATISTICS")
_UNNAMED_LAYOUTS = {"1 channels": "mono", "2 channels": "stereo"}
_EARLY = 500
"""Packets among which the first of each audio track is looked for."""


def clean(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata without what the container writes itself and what is no longer true of the result."""
    kept = {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _BRANDS and not key.upper().startswith(_STATISTICS)
    }
    if "name" in kept:  # what the mov family calls the title of a track
        kept.setdefault("title", kept.pop("name"))
    return kept


def twin(output: OutputContainer, stream: Stream) -> Stream:
    """Add a track like `stream`; raises FFmpegError or ValueError where the container has no place for it."""
    target = output.add_stream_from_template(stream, opaque=True)
    target.metadata.update(clean(stream.metadata))
    target.disposition = stream.disposition
    if isinstance(target, AudioStream) and target.layout.name in _UNNAMED_LAYOUTS:
        # Some sources count channels without naming them, and mp4 wants a name for raw samples.
        target.codec_context.layout = _UNNAMED_LAYOUTS[target.layout.name]
    return target


def fits(stream: Stream, muxer: str, first: Packet[Any] | None) -> bool:
    """Whether FFmpeg writes a file with this track and packet; asking it beats a table that ages."""
    sink = io.BytesIO()
    trial = av.open(sink, "w", format=muxer)
    try:
        target = twin(trial, stream)
        trial.start_encoding()
        if first is not None:
            first.stream = target
            trial.mux(first)
        trial.close()
    except (FFmpegError, ValueError):
        return False
    finally:
        sink.close()
    return True


def first_packets(path: Path) -> dict[int, Packet[Any]]:
    """The first packet of each audio track by index, as far as it comes early."""
    found: dict[int, Packet[Any]] = {}
    with open_container(path) as source:
        wanted = source.streams.audio
        for packet in itertools.islice(source.demux(wanted) if wanted else (), _EARLY):
            if packet.size:
                found.setdefault(packet.stream.index, packet)
            if len(found) == len(wanted):
                break
    return found


def cover(path: Path, index: int) -> list[bytes]:
    """The picture in the track `index` of cover art; empty where there is none."""
    with open_container(path) as source:
        return [bytes(packet) for packet in source.demux(source.streams[index]) if packet.size][:1]
