"""Figures, probes and the verdict of a comparison."""
