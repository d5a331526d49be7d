"""Evaluation suites: which clips, styles and flows are measured together; TOML over these dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scenivid.errors import ConfigError
from scenivid.training.recipe import load_recipe
from suite.synthetic import Path2D


@dataclass(frozen=True)
class Look:
    """A place worth looking at, such as one just uncovered; shares of the frame, 0..1."""

    frame: int
    left: float
    top: float
    width: float = 0.25
    height: float = 0.35


@dataclass(frozen=True)
class ClipSpec:
    """A clip from a file, or a camera moved over a photograph."""

    name: str
    path: str = ""
    """Video or folder of frames, relative to the data folder; empty for a rendered clip."""
    photo: str = ""
    """Photograph of a rendered clip, relative to the data folder."""
    camera: Path2D | None = None
    """Its motion; with a photo."""
    walker: Path2D | None = None
    """A disc that moves in front; with a photo."""
    noise: float = 0.004
    """Sensor noise of a rendered clip."""
    start: float = 0.0
    """Seconds of a video to skip."""
    frames: int = 0
    """0 = the suite's."""
    look: Look | None = None
    """Where a crop is cut for the results page."""

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.photo):
            raise ConfigError(f"clip {self.name!r} needs either a path or a photo")
        if self.photo and self.camera is None:
            raise ConfigError(f"clip {self.name!r} is rendered from a photo and needs a camera")


@dataclass(frozen=True)
class StyleSpec:
    """A network as it is measured."""

    name: str
    style: str = ""
    """Style name or file; empty for `name`. 'fixed-translator' is the paper's G with fixed random weights."""
    flicker: float = 0.0
    """Noise in the features of a lite style, see `flickering`."""
    long_side: int = 0
    """0 = the suite's; smaller for slow networks."""
    frames: int = 0
    """0 = the clip's."""
    flows: tuple[str, ...] = ()
    """Empty = the suite's."""
    goal: float = 0.0
    """E_warp of the output over the per-frame result's that is aimed for; 0 = none."""


@dataclass(frozen=True)
class Suite:
    """What is run, and how it is measured."""

    name: str = ""
    clips: tuple[ClipSpec, ...] = ()
    """`[[clips]]` in TOML, at least one; names differ."""
    styles: tuple[StyleSpec, ...] = ()
    """`[[styles]]` in TOML, at least one; names differ."""
    about: str = ""
    frames: int = 90
    long_side: int = 640
    flows: tuple[str, ...] = ("dis",)
    """Estimators of the coherence that is measured."""
    measure: str = "dis"
    """Estimator of the measurement; rendered clips use their exact flow."""
    consistency: float | None = None
    """The dial; left out = the default."""
    blend: float = 0.7
    """Baseline: each frame is this share of the one before, without any motion; 0 = no baseline."""
    sharpness: float = 0.97
    """Sharpness ratio aimed for."""

    def __post_init__(self) -> None:
        if not self.clips or not self.styles:
            raise ConfigError("a suite needs at least one of [[clips]] and one of [[styles]]")
        for kind, entries in (("clips", self.clips), ("styles", self.styles)):
            names = [entry.name for entry in entries]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                raise ConfigError(f"two {kind} of the suite are called {twice!r}")


def load_suite(path: Path) -> Suite:
    """Read a suite, named after its file unless it says otherwise.

    Raises:
        ConfigError: not there, not TOML, or a key or value that makes no sense.
    """
    suite = load_recipe(Suite, path)
    return suite if suite.name else replace(suite, name=path.stem)


def only(suite: Suite, clips: Sequence[str] = (), styles: Sequence[str] = ()) -> Suite:
    """The part of a suite with these clips and styles; nothing named means all of them.

    Raises:
        ConfigError: a name that the suite doesn't have.
    """
    for wanted, known in ((clips, [c.name for c in suite.clips]), (styles, [s.name for s in suite.styles])):
        strange = next((name for name in wanted if name not in known), None)
        if strange:
            raise ConfigError(f"suite {suite.name} has no {strange!r}: it has {', '.join(known)}")
    return replace(
        suite,
        clips=tuple(clip for clip in suite.clips if not clips or clip.name in clips),
        styles=tuple(style for style in suite.styles if not styles or style.name in styles),
    )
