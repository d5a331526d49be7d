"""Flicker of a whole video, measured on files."""

from __future__ import annotations

from scenivid.evaluation.warping import e_warp, e_warp_curve, motion_of

__all__ = ["e_warp", "e_warp_curve", "motion_of"]
