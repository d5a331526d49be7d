"""A stream stylised while it is watched: the newest frame, at a size that keeps up."""
