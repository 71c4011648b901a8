"""Tiny images and folders, made when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _save_image(file: Path, *, value: int = 90, size: tuple[int, int] = (6, 4)) -> Path:
    """Write a grey PNG or JPEG of (width, height) `size`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size[::-1], value, np.uint8)).save(file)
    return file


@pytest.fixture
def save_image() -> Callable[..., Path]:
    return _save_image


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """A folder with two classes of ten images each, and no splits."""
    root = tmp_path / "films"
    for label in ("healthy", "sick"):
        for number in range(10):
            _save_image(root / label / f"{number}.png", value=number)
    return root
