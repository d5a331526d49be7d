"""Before a run: what it needs and what it will take."""
