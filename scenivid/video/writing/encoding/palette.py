"""Colours of a GIF: the best 255 of each frame, dithered, one frame at a time."""

from __future__ import annotations

from fractions import Fraction

from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame


class Palette:
    """FFmpeg's palettegen and paletteuse over single frames, so that memory stays bounded."""

    def __init__(self, width: int, height: int, time_base: Fraction, alpha: bool = False) -> None:
        """`alpha`: one of the colours is transparent, for what is more than half so."""
        graph = Graph()
        source = graph.add_buffer(
            width=width, height=height, format=VideoFormat("rgba" if alpha else "rgb24"), time_base=time_base
        )
        split = graph.add("split")
        make = graph.add("palettegen", f"stats_mode=single:reserve_transparent={int(alpha)}")
        use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(make, 1, 0)
        make.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        self._graph = graph

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The rgb24 (with `alpha`, rgba) `frame` as pal8, without a time."""
        self._graph.push(frame)
        result = self._graph.pull()
        assert isinstance(result, VideoFrame)
        return result
