"""A style of one's own from a few pictures: gathered, trained, measured, kept under a name."""
