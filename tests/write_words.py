"""Write `docs/words.md`: every text that the app, its reports and its errors can show.

Run by `make words`. One reads it as one table, to find two words for one idea, jargon, and
sentences that are too long.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html import unescape

from tests.standins.documents import ROOT

WORDS = ROOT / "docs" / "words.md"
# Words of a sentence, at most: more are not understood at first reading. Our choice.
MOST_WORDS = 25
# Whatever these packages say is seen; of others, errors and whole sentences are.
_SHOWN = ("app", "report")
# Errors of the program, which nobody but its makers sees.
_FAULTS = {"ValueError", "TypeError", "RuntimeError", "AssertionError", "KeyError", "OSError"}
# Lists of names that tables of others use; nobody is shown them.
_NAMES = {"imil/datasets/layout/words.py"}
_HEAD = """# Words

Every text that the app, its reports and its errors can show, by the file that holds it.
`make words` writes this page, and a test says when it is due. `{}` stands for what is filled in.
Read it as a visitor does: one idea, one word, as in the [glossary](glossary.md); no sentence over
25 words; who acts is named.
"""


def texts() -> dict[str, list[str]]:
    """Return by file, relative to the root, the texts in it that people see, in its order."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "imil").rglob("*")):
        name = path.relative_to(ROOT).as_posix()
        if name in _NAMES or "__pycache__" in name:
            continue
        if path.suffix == ".py":
            told = _of_code(
                path.read_text("utf-8"), whole=path.parts[len(ROOT.parts) + 1] in _SHOWN
            )
        elif path.suffix == ".html":
            told = _of_template(path.read_text("utf-8"))
        else:
            continue
        if kept := list(dict.fromkeys(" ".join(each.split()) for each in told)):
            found[name] = kept
    return found


def page() -> str:
    """Return the page as it should be."""
    parts = [_HEAD]
    for name, told in texts().items():
        rows = "\n".join(f"- {_escaped(each)}" for each in told)
        parts.append(f"\n## {name.removeprefix('imil/')}\n\n{rows}\n")
    return "".join(parts)


def sentences(told: str) -> list[str]:
    """Return the sentences of a text."""
    return [each for each in re.split(r"(?<=[.!?:])\s+(?=[A-Z“{])", told) if each]


def words_in(sentence: str) -> int:
    """Return how many words a sentence has; what is filled in is one."""
    return len([each for each in sentence.split() if re.search(r"\w|\{", each)])


def _escaped(told: str) -> str:
    return re.sub(r"([*_<>\[\]|`#])", r"\\\1", re.sub(r"\{[^{}]*\}", "{}", told))


def _of_code(source: str, *, whole: bool) -> Iterator[str]:
    tree = ast.parse(source)
    docstrings, inside, spoken = set(), set(), set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            docstrings.add(id(body[0].value))
        if isinstance(node, ast.JoinedStr):
            inside |= {id(each) for each in ast.walk(node) if each is not node}
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)).endswith("Error"):
            parts = set() if name in _FAULTS else {id(each) for each in ast.walk(node)}
            spoken |= parts
    for node in ast.walk(tree):
        if id(node) in docstrings or id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            told = "".join(
                str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            told = node.value
        else:
            continue
        if _is_text(told) and (
            id(node) in spoken or _is_sentence(told) or (whole and _reads(told))
        ):
            yield told


def _is_text(told: str) -> bool:
    return bool(re.search(r"[A-Za-z]{2,}", told)) and not re.search(
        r"```|=>|[{;]\n|</|\(\);|var\(", told
    )


def _is_sentence(told: str) -> bool:
    return bool(re.search(r"^[A-Z“{].* .*[.!?…]$", told.strip(), re.DOTALL))


def _reads(told: str) -> bool:
    """Return whether a text of the screen is for people: several words, or one with a capital."""
    several = bool(re.search(r"[A-Za-z}] [A-Za-z{“(]", told))
    return (several or bool(re.fullmatch(r"[A-Z][a-z]{2,}", told))) and not re.search(
        r"^[a-z-]+:", told
    )


def _of_template(source: str) -> Iterator[str]:
    source = re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)
    source = re.sub(r"\{\{.*?\}\}", "{}", source, flags=re.DOTALL)
    source = re.sub(r"\{%.*?%\}", "\x00", source, flags=re.DOTALL)
    for name, told in re.findall(r'([\w-]+)="([^"<>]*)"', source):
        if name in {"title", "aria-label", "alt"} or name.endswith("-word"):
            yield from _pieces(told)
    for told in re.sub(r"<[^>]*>", "\x00", source).split("\x00"):
        yield from _pieces(told)


def _pieces(told: str) -> Iterator[str]:
    for each in told.split("\x00"):
        if re.search(r"[A-Za-z]{3,}", each):
            yield unescape(each)


if __name__ == "__main__":
    WORDS.write_text(page(), "utf-8")
