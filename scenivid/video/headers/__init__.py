"""File formats read or written byte by byte, where FFmpeg has no way."""
