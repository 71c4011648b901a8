"""Weights from outside, and models that leave."""
