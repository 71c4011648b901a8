"""Train and predict: the loop, its steps, batches and augmentations."""
