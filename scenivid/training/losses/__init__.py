"""Losses, as functions."""
