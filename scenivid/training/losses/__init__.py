"""Losses, as functions and as the small networks that learn to judge."""
