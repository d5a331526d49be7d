"""Reading and writing video files and frame folders."""
