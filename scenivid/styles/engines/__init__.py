"""Other ways than torch to run a lite network on the CPU, and the choice between them."""
