"""Text subtitles of a kind that the container can't hold: turned into its own kind."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from scenivid.video.writing.tracks.copied import clean, label
from scenivid.video.writing.tracks.window import Window

_MILLISECOND = Fraction(1, 1000)
_PLAIN = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, \
MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
"""Header of a script (ASS) with one style: encoders want one, and some sources bring none."""
_STYLED = {"ass", "ssa"}
_UNTIL_THE_NEXT = 4000
"""Milliseconds for which a line without a length is shown."""


class ConvertedText:
    """A subtitle track of the source in another text format."""

    def __init__(self, stream: SubtitleStream, encoder: str, suffix: str) -> None:
        """
        Args:
            stream: of the source.
            encoder: 'mov_text', 'subrip' or 'webvtt'.
            suffix: of the output, for the note.

        Raises:
            FFmpegError, ValueError: the source's kind can't be decoded, or is made of pictures.
        """
        if not stream.codec_context.codec.text_sub:
            raise ValueError("pictures can't be turned into text")
        stream.codec_context.open(strict=False)
        trial = av.CodecContext.create(encoder, "w")
        assert isinstance(trial, SubtitleCodecContext)
        _prepare(trial, stream.codec_context)
        trial.open()
        self.stream = stream
        self._label, self._name = (
            label(stream),
            stream.codec_context.name,
        )  # the source may be closed before `notes`
        self._encoder, self._suffix = encoder, suffix
        self._target: SubtitleStream | None = None
        self._styled = stream.codec_context.name in _STYLED
        self._damaged = 0

    def add(self, output: OutputContainer) -> None:
        """Add the track."""
        target = output.add_stream(self._encoder)
        assert isinstance(target, SubtitleStream)
        _prepare(target.codec_context, self.stream.codec_context)
        target.time_base = _MILLISECOND
        target.metadata.update(clean(self.stream.metadata))
        target.disposition = self.stream.disposition
        self._target = target

    def packets(self, packet: Packet[Any], window: Window) -> Iterator[Packet[Any]]:
        """The lines of the packet."""
        length = round((packet.duration or 0) * packet.time_base / _MILLISECOND)
        time = packet.pts
        try:
            found = self.stream.codec_context.decode2(packet)
        except FFmpegError:
            self._damaged += 1
            return
        if found is None:
            return
        length = length or min(found.end_display_time, _UNTIL_THE_NEXT) or _UNTIL_THE_NEXT
        packet.pts, packet.dts = time, time
        packet.duration = round(length * _MILLISECOND / packet.time_base)
        if not window.holds(packet):
            return
        assert packet.pts is not None and self._target is not None
        lines = [rect.ass for rect in found if isinstance(rect, AssSubtitle)]
        text = _joined(lines)
        if not text:
            return
        event = SubtitleSet.create(text=text, start=0, end=length)
        try:
            made = self._target.codec_context.encode_subtitle(event)
        except FFmpegError:
            self._damaged += 1
            return
        made.stream, made.time_base = self._target, _MILLISECOND
        made.pts = made.dts = round((packet.pts * packet.time_base - window.shift) / _MILLISECOND)
        made.duration = round((packet.duration or 0) * packet.time_base / _MILLISECOND)
        yield made

    def finish(self, window: Window) -> Iterator[Packet[Any]]:
        """Nothing is held back."""
        return iter(())

    def notes(self) -> list[str]:
        """What has become of the track."""
        lost = ", without its styles" if self._styled else ""
        notes = [
            f"{self._label} was turned into {self._encoder}{lost}: {self._suffix} can't hold {self._name}"
        ]
        if self._damaged:
            notes.append(f"{self._label}: {self._damaged} damaged packets left out")
        return notes

    def close(self) -> None:
        """Nothing is open."""


def _prepare(encoder: SubtitleCodecContext, decoder: SubtitleCodecContext) -> None:
    header = decoder.subtitle_header or b""
    encoder.subtitle_header = header if b"Style:" in header else _PLAIN
    encoder.time_base = _MILLISECOND


def _joined(lines: list[bytes]) -> bytes:
    """Several events shown at once as one: most containers show a single packet at a time."""
    if len(lines) < 2:
        return lines[0] if lines else b""
    head = lines[0].split(b",", 8)[:8]
    texts = [line.split(b",", 8)[8] for line in lines if line.count(b",") >= 8]
    return b",".join([*head, rb"\N".join(texts)])
