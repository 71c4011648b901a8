"""The training conditions that a comparison is made of."""
