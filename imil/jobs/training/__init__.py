"""The process that trains, and what a training task is made of."""
