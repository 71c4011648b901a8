"""Markdown documents as tests look at them: their words, commands, links, headings and tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import dropwhile, takewhile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SETS = re.compile(r"[A-Z_]+=")
# What is no command: a drawing, and code or settings for another program than a shell.
NO_SHELL = {"bibtex", "text", "python", "json", "yaml", "ini"}


@dataclass(frozen=True)
class Command:
    """One command that a reader would type, with the page that names it."""

    page: str
    text: str

    @property
    def environment(self) -> list[str]:
        """The names of variables that are set before the command."""
        return [word.partition("=")[0] for word in takewhile(_SETS.match, self._all())]

    @property
    def words(self) -> list[str]:
        return list(dropwhile(_SETS.match, self._all()))

    def _all(self) -> list[str]:
        return shlex.split(self.text.replace("\\\n", " "))


@dataclass(frozen=True)
class Document:
    """One page of Markdown."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def body(self) -> str:
        """The page without the header that a Space reads."""
        text = self.path.read_text(encoding="utf-8")
        return text.split("---\n", 2)[2] if text.startswith("---\n") else text

    @cached_property
    def prose(self) -> str:
        """The page without blocks of code."""
        return _FENCE.sub("", self.body)

    def words(self) -> list[str]:
        """Return what is read: text and tables; no code, addresses or borders of tables."""
        text = _LINK.sub("]", self.prose)
        return [word for word in text.split() if re.search(r"\w", word)]

    def links(self) -> list[str]:
        """Return where the page's links lead, those in code left out."""
        return _LINK.findall(re.sub(r"`[^`\n]*`", "", self.prose))

    def anchors(self) -> set[str]:
        """Return what a link can name in this page, as GitHub makes it of headings."""
        headings = re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def code(self) -> list[str]:
        """Return what stands in backticks within the text."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    def commands(self) -> list[Command]:
        """Return every command of a block of code, in the order of the page.

        A block that names no language counts as one of commands, so that none can hide.
        """
        blocks = _FENCE.findall(self.body)
        fences = re.findall(r"^\s*(?:```|~~~)", self.body, re.MULTILINE)
        assert len(fences) == 2 * len(blocks), f"{self.name}: a block of code that is not found"
        shell = (text for language, text in blocks if language not in NO_SHELL)
        return [Command(self.name, text) for block in shell for text in _commands(block)]

    def rows(self) -> list[list[str]]:
        """Return the cells of every row of every table, heads and their rules included."""
        lines = (line for line in self.prose.splitlines() if line.startswith("|"))
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def documents() -> list[Document]:
    """Return every page of the project: those beside the README, and those in `docs/`."""
    return [Document(path) for path in (*sorted(ROOT.glob("*.md")), *sorted(_docs()))]


def _docs() -> Iterator[Path]:
    return (ROOT / "docs").rglob("*.md")


def _commands(block: str) -> Iterator[str]:
    """Yield commands: lines, those that go on after a backslash or within quotes put together."""
    held = ""
    for line in block.splitlines(keepends=True):
        held += line
        if not held.strip() or held.lstrip().startswith("#"):
            held = ""
        elif not held.endswith("\\\n") and _closed(held):
            yield held.strip()
            held = ""
    assert not held, f"A command has no end: {held}"


def _closed(text: str) -> bool:
    try:
        shlex.split(text.replace("\\\n", " "))
    except ValueError:
        return False
    return True
