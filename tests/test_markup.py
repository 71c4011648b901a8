"""HTML is written by templates, which escape what they are given: nowhere by hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TAG = re.compile(r"</?[a-z][a-z0-9]*[\s/>]")
# A place of a text that is filled in later.
FIELD = re.compile(r"{\w*}")
# Modules that do it by hand, each with why; one that no longer does must go from here.
BY_HAND = {
    # A message of Gradio's is HTML on the page, but plain text to clients of the endpoints: quotes
    # are to stay as they are, which no template leaves.
    "imil/app/server/errors.py",
}


def by_hand(module: ast.Module) -> Iterator[str]:
    """Yield what of a module writes HTML by hand: an `escape`, or a text that is filled in."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module in {"html", "markupsafe"}:
            yield from ("escape" for each in node.names if each.name == "escape")
        if isinstance(node, ast.Attribute) and node.attr == "escape":
            yield "escape"
        # The texts of an f-string are constants beside each other.
        if isinstance(node, ast.JoinedStr):
            texts = [each.value for each in node.values if isinstance(each, ast.Constant)]
            if TAG.search("".join(map(str, texts))):
                yield "tags"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ("tags" for _ in FIELD.findall(node.value) if TAG.search(node.value))


def test_the_screen_and_the_report_write_no_html_by_hand() -> None:
    found = {
        str(path.relative_to(ROOT)): set(by_hand(ast.parse(path.read_text("utf-8"))))
        for part in ("app", "report")
        for path in sorted((ROOT / "imil" / part).rglob("*.py"))
    }

    assert {path for path, ways in found.items() if ways} == BY_HAND


@pytest.mark.parametrize(
    ("code", "way"),
    [
        ("f'<b>{name}</b>'", "tags"),
        ("f'{name}</p>'", "tags"),
        ("Markup('<b>{}</b>').format(name)", "tags"),
        ("'<b>{name}</b>'.format(name=name)", "tags"),
        ("from html import escape", "escape"),
        ("html.escape(name)", "escape"),
    ],
)
def test_each_way_to_write_it_by_hand_is_found(code: str, way: str) -> None:
    assert set(by_hand(ast.parse(code))) == {way}


@pytest.mark.parametrize("code", ["f'{count} < {most}'", "html_template='<span></span>'"])
def test_what_is_no_html_or_names_no_value_may_stand(code: str) -> None:
    assert set(by_hand(ast.parse(code))) == set()
