"""Pictures as results: folders of frames, single images, moving WebP."""
