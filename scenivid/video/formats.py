"""Containers that can be written: which codecs they hold, and how exactly they keep time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from scenivid.errors import OutputError

MATROSKA = {"matroska", "webm"}
"""Muxers of this family."""
VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv",
     ".3gp", ".ogv", ".mxf", ".y4m", ".vob")
)  # fmt: skip
"""What a video's name ends in, in lower case: how they are told from other files in a folder."""
_USUAL = {"title", "artist", "album", "date", "comment", "genre", "copyright", "location", "creation_time"}
_LARGEST = 2**31 - 1
_MOST_PLAYS = 2**16 - 1


@dataclass(frozen=True)
class Container:
    """One way to store a video."""

    suffix: str
    muxer: str
    """FFmpeg's name of the muxer."""
    codecs: tuple[str, ...]
    """What may be stored, the default first."""
    tick: Fraction | None
    """Unit of its timestamps in seconds; None where the source's own unit can be used, so pts are exact."""
    from_zero: bool = False
    """True where the first frame is always shown at 0 s."""
    exact_end: bool = False
    """Whether the last packet's duration sets the length of the track (the mov family)."""
    sound: str | None = None
    """FFmpeg's encoder for sound that can't be copied; None where there is none."""
    text: str | None = None
    """FFmpeg's encoder for text subtitles that can't be copied; None where there are none."""
    covers: Literal["none", "track", "attachment", "atom"] = "none"
    """How a cover is stored: as a track of one picture, an attached file, or in the finished index."""


_MP4 = ("h264", "hevc", "av1", "vp9")
_CONTAINERS = (
    Container(".mp4", "mp4", _MP4, None, exact_end=True, sound="aac", text="mov_text", covers="track"),
    Container(".m4v", "mp4", _MP4, None, exact_end=True, sound="aac", text="mov_text", covers="track"),
    Container(
        ".mov",
        "mov",
        ("h264", "hevc", "prores"),
        None,
        exact_end=True,
        sound="aac",
        text="mov_text",
        covers="atom",
    ),
    Container(
        ".mkv",
        "matroska",
        ("h264", "hevc", "av1", "vp9", "ffv1", "prores"),
        Fraction(1, 1000),
        sound="aac",
        text="subrip",
        covers="attachment",
    ),
    Container(".webm", "webm", ("vp9", "av1"), Fraction(1, 1000), sound="libopus", text="webvtt"),
    Container(".gif", "gif", ("gif",), Fraction(1, 100), from_zero=True),
    Container(".apng", "apng", ("apng",), Fraction(1, 1000), from_zero=True),
)


def container_for(output: Path) -> Container:
    """The container that the suffix of `output` names; raises OutputError that lists the known ones."""
    suffix = output.suffix.lower()
    for container in _CONTAINERS:
        if container.suffix == suffix:
            return container
    known = ", ".join([*(container.suffix for container in _CONTAINERS), ".webp", ".y4m"])
    raise OutputError(
        f"{output}: '{suffix}' is no container that can be written; use one of {known}, "
        "or a name without a suffix for a folder of frames"
    )


def codec_for(container: Container, codec: str | None) -> str:
    """`codec`, or the container's default for None; raises OutputError where the two don't fit."""
    if codec is None:
        return container.codecs[0]
    if codec in container.codecs:
        return codec
    homes = [other.suffix for other in _CONTAINERS if codec in other.codecs]
    if not homes:
        known = ", ".join(sorted({name for other in _CONTAINERS for name in other.codecs}))
        raise OutputError(f"'{codec}' is no codec that can be written; use one of {known}")
    raise OutputError(f"{codec} can't be stored in {container.suffix}: name the output {' or '.join(homes)}")


def mux_options(
    container: Container,
    time_base: Fraction,
    offset_units: Iterable[int],
    metadata: Iterable[str],
    index_first: bool = True,
    plays: int = 0,
) -> dict[str, str]:
    """Options for FFmpeg's muxer so that timestamps and metadata stay as they are.

    Args:
        container: what is written.
        time_base: of the video's timestamps, in seconds.
        offset_units: ticks per second of the other tracks that start later than zero.
        metadata: names of what is to be stored.
        plays: how often a moving picture is shown; 0 for ever.
        index_first: the mov family's index comes before the data, so that a player needn't wait for it.
    """
    if container.muxer in MATROSKA:
        # Otherwise a track that begins before zero (AAC priming) would push all others later.
        # And the file would hold a random number, so that no two were the same.
        return {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}
    if container.muxer == "apng":
        return {"plays": str(min(plays, _MOST_PLAYS))}
    if container.muxer == "gif":
        again = min(plays, _MOST_PLAYS) - 1
        return {"loop": str({-1: 0, 0: -1}.get(again, again))}  # 0 is for ever, -1 never
    if not container.exact_end:
        return {}
    # An offset is stored as an empty edit, in units of the movie (1 ms by default).
    units = time_base.denominator
    for other in offset_units:
        common = math.lcm(units, other)
        units = common if common <= _LARGEST else units
    flags = "+faststart" if index_first else ""
    # The usual place for metadata is what most players look at, but it has no room for other names.
    flags += "" if _USUAL.issuperset(map(str.lower, metadata)) else "+use_metadata_tags"
    options = {
        "video_track_timescale": str(time_base.denominator),
        "movie_timescale": str(units * max(1, math.ceil(1000 / units))),
    }
    return options | ({"movflags": flags} if flags else {})


def video_time_base(container: Container, time_base: Fraction) -> Fraction:
    """Unit in which frames are given to the encoder: the source's, if the container can count that fine."""
    if container.from_zero:
        assert container.tick is not None
        return container.tick
    if time_base.denominator > _LARGEST or time_base <= 0:
        return Fraction(1, 1_000_000)
    return time_base
