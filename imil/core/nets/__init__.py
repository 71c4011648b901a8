"""Backbones, and where their predictions look."""
