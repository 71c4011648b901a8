"""The layout of a data set: hypotheses of what its names and tables mean, ranked by evidence."""
