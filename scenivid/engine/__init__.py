"""The streaming loop and its parts; `stylize` is the way in."""

from scenivid.engine.run import Report, expected_frames, stylize
from scenivid.engine.settings import StylizeSettings

__all__ = ["Report", "StylizeSettings", "expected_frames", "stylize"]
