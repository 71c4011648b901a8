"""Tables of figures that become one block a row on a phone, and the cards they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from imil.report.parts.markup import heading


def stacked(head: Sequence[str], rows: Sequence[Sequence[str]], *, kind: str = "") -> str:
    """Return a table whose cells carry the names of their columns, for narrow screens.

    Args:
        head: a text a column, escaped here.
        rows: HTML a cell, escaped by whoever made it; the first is the row's name.
        kind: a class of the table.
    """
    titles = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(
            f'<td data-label="{escape(name)}"><span>{cell}</span></td>'
            for name, cell in zip(head[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="mtscroll"><table class="mt st {kind}"><thead><tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def card(title: str, body: str, *, aside: str = "") -> str:
    """Return a card; `body` is HTML."""
    return f'<section class="card">{heading(title, aside)}{body}</section>'


def closed_card(
    title: str, body: str, *, aside: str = "", mark: str = "", opened: bool = False
) -> str:
    """Return a card that is closed until asked for, unless `opened`; `body` and `mark` are HTML."""
    state = " open" if opened else ""
    return (
        f'<details class="card more"{state}><summary>{heading(title, aside, mark=mark)}</summary>'
        f'<div class="inside">{body}</div></details>'
    )


def remark(words: str) -> str:
    """Return a sentence under a heading or a table."""
    return f'<p class="sub s13 remark">{escape(words)}</p>'


def two_lines(first: str, second: str) -> str:
    """Return two texts, the second small below the first."""
    return f"{escape(first)}<small>{escape(second)}</small>" if second else escape(first)
