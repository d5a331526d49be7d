"""Pairs of a photograph and its painting: where they come from, and which are kept."""
