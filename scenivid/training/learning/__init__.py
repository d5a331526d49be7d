"""A style of one's own from a few pictures: what is compared, what is trained first, and the program."""
