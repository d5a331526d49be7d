"""Pictures as sources: folders of frames, single images, moving WebP, photographs in tiles."""
