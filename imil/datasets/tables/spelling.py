"""Japanese names that older Windows programs wrote, told from those of Western code pages."""

from __future__ import annotations

import re

JAPANESE = "cp932"
# Characters of Japanese: kana, kanji, and half-width kana.
_RUN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]{2,}")


def looks_japanese(text: str) -> bool:
    """Return whether a text decoded as Shift JIS is one: Western names give single characters."""
    return bool(_RUN.search(text))
