"""Synthetic films with known truth."""
