"""Films and photographs made into a data set: what is worth training on, cut to squares."""
