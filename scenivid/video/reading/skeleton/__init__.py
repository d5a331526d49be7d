"""The skeletons of files: what lies between the frames, and whether it is whole."""
