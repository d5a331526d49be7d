"""The paper's chain as one run: StyleGAN2, fine-tuning, pairs, translator, and a lite network from it."""
