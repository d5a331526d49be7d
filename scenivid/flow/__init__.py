"""Where things went between two frames: estimators, warping, and how far to trust them."""
