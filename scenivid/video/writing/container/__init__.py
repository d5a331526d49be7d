"""The file that a video becomes, and what FFmpeg has no way to write into it."""
