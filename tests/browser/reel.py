"""A moving picture of a page, small enough for a README."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

# px; what is written in the page can still be read.
WIDTH = 960
# Of one palette for all frames, so that nothing flickers.
COLOURS = 128


@dataclass(slots=True)
class Reel:
    """Frames in their order, each with how long it stays."""

    frames: list[Image.Image] = field(default_factory=list)
    stays: list[int] = field(default_factory=list)

    def take(self, page: Page, stays: int) -> None:
        """Add what is on the page, for so many ms."""
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        height = round(shot.height * WIDTH / shot.width)
        self.frames.append(shot.resize((WIDTH, height), Image.Resampling.LANCZOS))
        self.stays.append(stays)

    @property
    def seconds(self) -> float:
        """How long it runs."""
        return sum(self.stays) / 1000

    def write(self, path: Path) -> None:
        """Write an endless GIF."""
        # The colours of all frames: a strip of each makes the palette.
        strip = Image.new("RGB", (WIDTH, 60 * len(self.frames)))
        for at, frame in enumerate(self.frames):
            strip.paste(frame.resize((WIDTH, 60), Image.Resampling.NEAREST), (0, 60 * at))
        palette = strip.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
        drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
        drawn[0].save(
            path, save_all=True, append_images=drawn[1:], duration=self.stays, loop=0, optimize=True
        )
