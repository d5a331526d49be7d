"""Many files: which there are, which are done, one after the other."""
