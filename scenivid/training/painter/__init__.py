"""The procedural painter that teaches the lite networks."""
