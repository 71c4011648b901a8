"""IMIL: show an image classifier what to ignore, and measure whether it helped."""

from __future__ import annotations

__version__ = "0.1.0"
