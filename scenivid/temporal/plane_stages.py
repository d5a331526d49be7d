"""The stages of temporal coherence on float planes, one frame at a time: motion, then `steady`.

    motion = MotionPlanes(height, width, "dis")
    steadied = SteadyPlanes(height, width, consistency)
    for source, styled, cut in frames:
        frame = steadied.step(source, styled, motion.step(source, cut), cut)

Each stage keeps its own memory and may run in its own thread.
"""

from scenivid.temporal.plane_motion import MotionPlanes
from scenivid.temporal.plane_steady import SteadyPlanes

__all__ = ["MotionPlanes", "SteadyPlanes"]
