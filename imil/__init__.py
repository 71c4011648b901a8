"""IMIL: show an image classifier what to ignore, and measure whether it helped."""

__version__ = "0.1.0"
