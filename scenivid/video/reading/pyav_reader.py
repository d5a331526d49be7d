"""Reading through PyAV: every format, depth and matrix, exact times."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterator

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scenivid.errors import InputError
from scenivid.pixels import Clip, StoredClip
from scenivid.video.container import decoder_options, open_container
from scenivid.video.info import VideoInfo
from scenivid.video.reading.clips import clips_of, storable, stored_clips_of
from scenivid.video.reading.decoding import decode
from scenivid.video.reading.findings import Findings
from scenivid.video.reading.interlace import deinterlaced
from scenivid.video.reading.reader import ThreadedReader
from scenivid.video.reading.settings import ReadSettings
from scenivid.video.reading.times.counted import counted
from scenivid.video.reading.times.timeline import Timeline, milliseconds


def pyav_reader(
    info: VideoInfo,
    timeline: Timeline,
    window: range,
    how: ReadSettings,
    reason: str,
    known: Findings | None = None,
    seeks: bool = False,
) -> ThreadedReader:
    """Read `info.path`.

    Args:
        info: what the container says.
        timeline: its frame times.
        window: indices of the frames wanted.
        how: what to do about damage and interlacing.
        reason: why PyAV, for `decoder`.
        known: what was found on opening.
        seeks: whether the window may begin anywhere.
    """

    def produce(batch: int, findings: Findings) -> Generator[Clip, None, None]:
        return pyav_clips(info, timeline, window, how, batch, findings)

    def produce_stored(batch: int, findings: Findings) -> Generator[StoredClip, None, None]:
        return stored_clips_of(_whole(info, timeline, window, how, findings), info, batch, findings)

    stored = produce_stored if storable(info) else None
    return ThreadedReader(info, f"pyav ({reason})", len(window), produce, known, how.strict, stored, seeks)


def pyav_clips(
    info: VideoInfo, timeline: Timeline, window: range, how: ReadSettings, batch: int, findings: Findings
) -> Generator[Clip, None, None]:
    """Open `info.path`, yield its clips, close it; for the arguments see `pyav_reader`."""
    yield from clips_of(_whole(info, timeline, window, how, findings), info, batch, findings)


def _whole(
    info: VideoInfo, timeline: Timeline, window: range, how: ReadSettings, findings: Findings
) -> Iterator[VideoFrame]:
    frames = watched(_frames(info, timeline, window, how, findings), info, findings)
    return deinterlaced(frames, findings, how.deinterlace == "auto")


def watched(frames: Iterator[VideoFrame], info: VideoInfo, findings: Findings) -> Iterator[VideoFrame]:
    """The frames; those that the decoder patched are counted, once a key frame has come."""
    patched, first, keyed = 0, 0.0, False
    for frame in frames:
        keyed = keyed or frame.key_frame
        if keyed and frame.is_corrupt:
            patched += 1
            if patched == 1:
                first = float((frame.pts or 0) * info.time_base - info.start)
                if findings.strict:
                    break
        yield frame
    if patched:
        frames_were = "frame was" if patched == 1 else "frames were"
        findings.damage(f"{patched} damaged {frames_were} patched by the decoder, the first at {first:.3f} s")


def _frames(
    info: VideoInfo, timeline: Timeline, window: range, how: ReadSettings, findings: Findings
) -> Iterator[VideoFrame]:
    """The frames of the window, in order, with their times."""
    index = window.start
    if not timeline.counted:
        index = yield from _matched(info, timeline, window, how)
        if index >= window.stop:
            return
        # A frame didn't come. Decoding everything tells whether it is lost or its packet's time was wrong.
        truth = counted(info.path, info.stream_index, info.rate_hz, timeline.clock)
        if len(truth) == len(timeline):
            yield from _counted(info, timeline, range(index, window.stop), how)
            return
        lost = max(1, len(timeline) - len(truth))
        at = milliseconds(timeline.seconds(index))
        text = f"frame {index + 1} of {len(timeline)} (at {at} s) can't be decoded"
        _lost(info, text, index, at, lost, how, findings)
        first = bisect_right(truth.pts, timeline.pts[index - 1]) if index > window.start else window.start
        last = bisect_right(truth.pts, timeline.pts[window.stop - 1])
        yield from _counted(info, truth, range(first, last), how)
        return
    given = 0
    for frame in _counted(info, timeline, window, how):
        given += 1
        yield frame
    if given < len(window):
        at = milliseconds(timeline.seconds(window.start + given))
        text = f"frame {window.start + given + 1} of {len(timeline)} (at {at} s) can't be decoded"
        _lost(info, text, window.start + given, at, len(window) - given, how, findings)


def _lost(
    info: VideoInfo, text: str, index: int, at: str, lost: int, how: ReadSettings, findings: Findings
) -> None:
    if how.on_error == "stop":
        raise InputError(
            f"{info.path}: damaged: {text}; the {index} before it can"
            f" (add --duration {at}, or pass over it with --on-error skip)"
        )
    findings.damage(text + (f", and {lost - 1} more" if lost > 1 else ""), lost)


def _matched(
    info: VideoInfo, timeline: Timeline, window: range, how: ReadSettings
) -> Generator[VideoFrame, None, int]:
    """Frames that come at the times of their packets; returns the first that doesn't, or the window's end."""
    first, last = timeline.pts[window.start], timeline.pts[window.stop - 1]
    known = set(timeline.pts)
    seek = len(timeline.keys_before(first)) > 1 and not timeline.clock.breaks
    index = window.start if seek else 0
    with open_container(info.path, known=True) as container:
        stream = _stream(container, info, how)
        if len(window) == 1:
            stream.thread_type = "SLICE"  # frame threads would decode those after it too
        if seek:
            decoded = _decoded_from(container, stream, info, timeline, first)
        else:
            decoded = decode(container, stream, info.path, timeline.clock, lambda: None)
        for frame in decoded:
            if frame.pts is None or frame.pts < first:
                continue
            index = max(index, window.start)
            if frame.pts > timeline.pts[index] and frame.pts in known:
                return index  # one before it was lost
            frame.pts = timeline.pts[index]
            yield frame
            index += 1
            if index == window.stop or frame.pts >= last:
                return window.stop
    return max(index, window.start)


def _counted(info: VideoInfo, timeline: Timeline, window: range, how: ReadSettings) -> Iterator[VideoFrame]:
    """Frames known by their number, decoded from the beginning."""
    if not window:
        return
    with open_container(info.path) as container:
        stream = _stream(container, info, how)
        # The same packets fail as when they were counted.
        decoded = decode(container, stream, info.path, timeline.clock, lambda: None)
        for index, frame in enumerate(decoded):
            if index >= window.start:
                frame.pts = timeline.pts[index]
                if not frame.duration:
                    frame.duration = timeline.durations[index]
                yield frame
            if index + 1 >= window.stop:
                return


def _stream(container: InputContainer, info: VideoInfo, how: ReadSettings) -> VideoStream:
    stream = container.streams[info.stream_index]
    assert isinstance(stream, VideoStream)
    stream.thread_type = "AUTO"
    stream.codec_context.options = decoder_options(stream, how.max_pixels)
    return stream


def _decoded_from(
    container: InputContainer, stream: VideoStream, info: VideoInfo, timeline: Timeline, first: int
) -> Iterator[VideoFrame]:
    """Decode from a key frame that lets `first` be decoded."""
    keys = timeline.keys_before(first)
    # Demuxers seek by dts, which may lead into the group after the one meant: then start earlier.
    for key in (keys[-1], keys[max(0, len(keys) - 4)], keys[0]):
        container.seek(key, stream=stream)
        frames = decode(container, stream, info.path, timeline.clock, lambda: None)
        head = next(frames, None)
        if head is not None and head.pts is not None and head.pts <= first:
            yield head
            yield from frames
            return
