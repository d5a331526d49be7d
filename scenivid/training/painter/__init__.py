"""The procedural painter that teaches the lite networks."""

from scenivid.training.painter.looks import LOOKS, Look, look_named
from scenivid.training.painter.painter import SHORT_SIDE, Painting, paint, paint_composed

__all__ = ["LOOKS", "SHORT_SIDE", "Look", "Painting", "look_named", "paint", "paint_composed"]
