"""The first frame of a video, from as few packets as give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import make_clips
import numpy as np
import pytest
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from make_clips import Made
from shelf import Shelf

from scenivid.video import first_frame as first
from scenivid.video.container import open_container, video_stream


def _taken(path: Path) -> tuple[VideoFrame, Packet[VideoStream]]:
    """The first frame, and the packet after those that it was made from."""
    with open_container(path, known=True) as container:
        stream = video_stream(container, path)
        return first.first_frame(container, stream, path), next(container.demux(stream))


def _second(path: Path) -> Packet[VideoStream]:
    with open_container(path, known=True) as container:
        return list(container.demux(container.streams.video[0]))[1]


def _pixels(frame: VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format=frame.format.name)


@pytest.mark.parametrize("make", [make_clips.b_frames, make_clips.open_groups, make_clips.ten_bit])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_it_is_the_one_that_decoding_all_gives_first(
    shelf: Shelf, make: Callable[[Path], Made], suffix: str
) -> None:
    path = shelf.take(make, suffix).path
    frame, following = _taken(path)
    with av.open(str(path)) as container:
        wanted = next(container.decode(video=0))
    assert np.array_equal(_pixels(frame), _pixels(wanted))
    assert (frame.pts, frame.color_range, frame.colorspace) == (
        wanted.pts,
        wanted.color_range,
        wanted.colorspace,
    )
    if suffix != ".ts" and frame.format.name == "yuv420p":
        assert following.dts == _second(path).dts  # frames that are shown later were not waited for


def test_a_decoder_that_gives_none_at_once_is_asked_with_more_packets(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shelf.take(make_clips.b_frames).path
    frame, _ = _taken(path)

    class Late:
        """Gives nothing when it is told that there is no more."""

        def __init__(self, decoder: av.VideoCodecContext) -> None:
            self._decoder, self.name, self.extradata = decoder, decoder.name, decoder.extradata

        def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
            frames = self._decoder.decode(packet)
            return frames if packet is not None else []

        def flush_buffers(self) -> None:
            self._decoder.flush_buffers()

    monkeypatch.setattr(first, "decoder_of", lambda stream: Late(stream.codec_context))
    assert np.array_equal(_pixels(_taken(path)[0]), _pixels(frame))


@pytest.mark.parametrize(
    "make", [make_clips.b_frames, make_clips.rotated, make_clips.anamorphic, make_clips.hdr10]
)
def test_what_an_mp4_says_of_itself_needs_no_decoding_on_opening(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Made]
) -> None:
    from scenivid.video import open as opening

    more = {"clockwise": 90} if make is make_clips.rotated else {}
    path = shelf.take(make, **more).path
    found = opening.probe(path)

    def decoding(path: Path, **how: object) -> InputContainer:
        return open_container(path, known=False)

    monkeypatch.setattr(opening, "open_container", decoding)
    assert opening.probe(path) == found
