"""A lite network's training: settings, judges of its results, contrast through its encoder, files."""
