"""Sound that the container can't hold as it is: decoded and encoded anew, in step with the picture.

Matroska holds ADPCM, A-law, µ-law and WMA only as what Windows calls them (`A_MS/ACM`). FFmpeg writes that
where it is asked to be lax, which PyAV never asks; so these are encoded too.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from scenivid.video.writing.tracks.copied import clean, label, named_layout
from scenivid.video.writing.tracks.window import Window

_BITS_PER_CHANNEL = 96_000
"""A second; where listening tests find no difference to the source."""
_BY_COUNT = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_OPUS_RATE_HZ = 48_000
_DRIFT = Fraction(1, 10)
"""Seconds by which the source's times may differ from its count of samples before silence fills the gap."""
_NAMES = {"aac": "AAC", "libopus": "Opus"}


class EncodedSound:
    """The sound of one track of the source, decoded and encoded by another codec."""

    def __init__(self, stream: AudioStream, encoder: str, suffix: str) -> None:
        """
        Args:
            stream: of the source.
            encoder: 'aac' or 'libopus'.
            suffix: of the output, for the note.

        Raises:
            FFmpegError, ValueError: the source's codec can't be decoded, or its channels not encoded.
        """
        if not stream.codec_context.sample_rate or not stream.codec_context.channels:
            raise ValueError("nothing is known of the sound")
        self.stream = stream
        self._label, self._name = (
            label(stream),
            stream.codec_context.name,
        )  # the source may be closed before `notes`
        self._encoder, self._suffix = encoder, suffix
        self._rate_hz = _rate(encoder, stream.codec_context.sample_rate)
        self._layout = _layout(encoder, stream, self._rate_hz)
        self._target: AudioStream | None = None
        self._resampler: AudioResampler | None = None
        self._fifo = AudioFifo()
        self._begin: Fraction | None = None
        self._heard = Fraction(0)
        self._written = 0
        self._damaged = 0

    def add(self, output: OutputContainer) -> None:
        """Add the track."""
        target = output.add_stream(self._encoder, rate=self._rate_hz, layout=self._layout)
        assert isinstance(target, AudioStream)
        count = target.layout.nb_channels
        target.codec_context.bit_rate = count * min(_BITS_PER_CHANNEL, 5 * self._rate_hz)
        target.codec_context.time_base = Fraction(1, self._rate_hz)
        target.metadata.update(clean(self.stream.metadata))
        target.disposition = self.stream.disposition
        self._target = target

    def packets(self, packet: Packet[Any], window: Window) -> Iterator[Packet[Any]]:
        """What the packet's sound becomes; nothing while the encoder waits for more."""
        try:
            frames = cast("Packet[AudioStream]", packet).decode()
        except FFmpegError:
            self._damaged += 1
            return
        for frame in frames:
            yield from self._sound(self._packed(frame), window)

    def finish(self, window: Window) -> Iterator[Packet[Any]]:
        """The sound that decoder and encoder still hold."""
        try:
            for frame in self.stream.codec_context.decode(None):
                yield from self._sound(self._packed(frame), window)
        except FFmpegError:
            self._damaged += 1
        if self._resampler is None:  # not one frame
            return
        for frame in self._resampler.resample(None):
            self._fifo.write(_timeless(frame))
        yield from self._encoded(True)

    def notes(self) -> list[str]:
        """What has become of the track."""
        codec = _NAMES[self._encoder]
        notes = [f"{self._label} was encoded as {codec}: {self._suffix} can't hold {self._name}"]
        if self._damaged:
            notes.append(f"{self._label}: {self._damaged} damaged packets left out")
        return notes

    def close(self) -> None:
        """Nothing is open."""

    def _packed(self, frame: AudioFrame) -> AudioFrame:
        """The frame with its channels interleaved: what is cut and silenced has one form."""
        if not frame.format.is_planar:
            return frame
        made = AudioResampler(frame.format.packed.name).resample(frame)[0]
        made.pts = frame.pts
        if frame.time_base is not None:
            made.time_base = frame.time_base
        return made

    def _sound(self, frame: AudioFrame, window: Window) -> Iterator[Packet[Any]]:
        """Take one decoded frame: cut to the window, silence before it where the source has a gap."""
        rate = frame.sample_rate
        time = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
        if time is None or (self._begin is not None and abs(time - self._begin - self._heard) <= _DRIFT):
            time = (self._begin or Fraction(0)) + self._heard
        early = 0 if window.begin is None else max(0, round((window.begin - time) * rate))
        if self._begin is not None:
            behind = self._begin + self._heard - time  # heard already
            early = max(early, round(behind * rate) if behind > 0 else 0)
        late = 0 if window.end is None else max(0, round((time - window.end) * rate) + frame.samples)
        if early + late >= frame.samples:
            return
        if early or late:
            frame = _part(frame, early, frame.samples - late)
        time += Fraction(early, rate)
        if self._begin is None:
            self._begin = time
            self._written = round((time - window.shift) * self._rate_hz)
        missing = round((time - self._begin - self._heard) * rate)
        if missing > 0:
            yield from self._resampled(_silence(frame, missing))
        yield from self._resampled(frame)

    def _resampled(self, frame: AudioFrame) -> Iterator[Packet[Any]]:
        assert self._target is not None
        self._heard += Fraction(frame.samples, frame.sample_rate)
        for attempt in range(2):
            if self._resampler is None:
                context = self._target.codec_context
                self._resampler = AudioResampler(context.format, self._layout, self._rate_hz)
            try:
                made = self._resampler.resample(_timeless(frame))
                break
            except ValueError:  # the source has changed its rate or channels on the way
                if attempt:
                    raise
                made = self._resampler.resample(None)
                self._resampler = None
                for rest in made:
                    self._fifo.write(_timeless(rest))
        for piece in made:
            self._fifo.write(_timeless(piece))
        yield from self._encoded(False)

    def _encoded(self, last: bool) -> Iterator[Packet[Any]]:
        assert self._target is not None
        size = self._target.codec_context.frame_size or 1024
        while self._fifo.samples >= size or (last and self._fifo.samples):
            frame = self._fifo.read(min(size, self._fifo.samples))
            assert frame is not None
            frame.pts, frame.time_base = self._written, Fraction(1, self._rate_hz)
            frame.sample_rate = self._rate_hz
            self._written += frame.samples
            yield from self._target.encode(frame)
        if last:
            yield from self._target.encode(None)


def _rate(encoder: str, rate_hz: int) -> int:
    """The nearest rate that the encoder has, not below the source's if possible."""
    if encoder == "libopus":
        return _OPUS_RATE_HZ
    known = sorted(av.Codec(encoder, "w").audio_rates or (rate_hz,))
    return next((rate for rate in known if rate >= rate_hz), known[-1])


def _layout(encoder: str, stream: AudioStream, rate_hz: int) -> str:
    """The source's channels, or what comes nearest of what the encoder takes."""
    count = stream.codec_context.channels
    for name in (named_layout(stream), _BY_COUNT.get(count, "stereo"), "stereo"):
        context = av.CodecContext.create(encoder, "w")
        assert isinstance(context, AudioCodecContext)
        try:
            context.layout, context.sample_rate = name, rate_hz
            context.format = (av.Codec(encoder, "w").audio_formats or [AudioFormat("fltp")])[0]
            context.time_base = Fraction(1, rate_hz)
            context.open()
        except (FFmpegError, ValueError):
            continue
        return name
    raise ValueError(f"{encoder} takes none of these {count} channels")


def _timeless(frame: AudioFrame) -> AudioFrame:
    """Times are counted here, in samples: neither the resampler nor the queue may object to them."""
    frame.pts = None
    return frame


def _part(frame: AudioFrame, first: int, last: int) -> AudioFrame:
    count = frame.layout.nb_channels
    return _like(frame, np.ascontiguousarray(frame.to_ndarray()[:, first * count : last * count]))


def _silence(frame: AudioFrame, samples: int) -> AudioFrame:
    shape = (1, samples * frame.layout.nb_channels)
    quiet = np.full(shape, 128 if frame.format.name == "u8" else 0, frame.to_ndarray().dtype)
    return _like(frame, quiet)


def _like(frame: AudioFrame, samples: np.ndarray[Any, Any]) -> AudioFrame:
    made = AudioFrame.from_ndarray(samples, frame.format.name, frame.layout.name)
    made.sample_rate = frame.sample_rate
    return made
