"""Where 4:2:0 and 4:2:2 chroma lies: on every other column of luma, and for 4:2:0 between two rows."""

from __future__ import annotations

from fractions import Fraction

from av.filter import Graph
from av.video.frame import VideoFrame


class LeftSiting:
    """Says of frames that their chroma lies on even columns; swscale takes it to lie between two otherwise.

    Players take it to lie there in H.264, HEVC, VP9, AV1 and ProRes that don't say another place. PyAV has no
    name for this property of a frame, FFmpeg's filter `setparams` has: pixels are neither changed nor copied.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._kind = (0, 0, "")

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """`frame` with the property."""
        kind = (frame.width, frame.height, frame.format.name)
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = _graph(frame), kind
        self._graph.vpush(frame)
        return self._graph.vpull()


def _graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1)
    )
    said, sink = graph.add("setparams", "chroma_location=left"), graph.add("buffersink")
    source.link_to(said)
    said.link_to(sink)
    graph.configure()
    return graph
