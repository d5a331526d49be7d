"""Training a StyleGAN2."""
