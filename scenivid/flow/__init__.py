"""Optical flow: estimators, warping and confidence."""
