"""Training programs, losses and data."""
