"""Files that are left out, each with its reason, behind a line that opens."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from imil.datasets.listing import Skipped
from imil.report.parts import numbers, text

# Files named one by one; a hundred thousand would choke the page.
SHOWN = 200


def skipped_list(title: str, skipped: Sequence[Skipped], *, more: int = 0) -> str:
    """Return the list; the first `SHOWN` are named, and the others and `more` are counted."""
    rows = "".join(
        f"<li>{escape(skip.name or text.A_FILE)}: {escape(skip.reason)}</li>"
        for skip in skipped[:SHOWN]
    )
    more += max(0, len(skipped) - SHOWN)
    if more:
        rows += f"<li>{escape(text.SKIPPED_MORE.format(more=numbers.count(more)))}</li>"
    return f'<details><summary>{escape(title)}</summary><ul class="skipped">{rows}</ul></details>'
