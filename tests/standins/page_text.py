"""What a person reads of a piece of HTML."""

from __future__ import annotations

import html
import re

_TAG = re.compile(r"<[^>]*>")


def words_of(markup: str) -> str:
    """Return the text between the tags."""
    return html.unescape(_TAG.sub(" ", markup))


def numbers_of(markup: str) -> list[str]:
    """Return the whole numbers that the text names, in order."""
    return re.findall(r"\d+", words_of(markup))
