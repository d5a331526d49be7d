"""Networks and distances that judge pictures, for training and for evaluation."""
