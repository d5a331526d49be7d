"""What comes along with the picture: sound, subtitles, covers, chapters, timecode, metadata."""
