"""The picture of a result: its encoders, pieces, times and packets."""
