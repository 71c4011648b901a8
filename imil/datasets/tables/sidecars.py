"""Label files beside images, one each: words, boxes of YOLO, and annotations in JSON or XML."""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from xml.etree import ElementTree as ET

from imil.datasets.layout.words import label_prior
from imil.datasets.tables.records import MAX_KEYS, of_element, values_of
from imil.datasets.tables.table import MAX_CELL, Grid

# How such files end, bytes of one and of all that are read, and how many.
SUFFIXES = (".txt", ".json", ".xml", ".cls")
MAX_SIDECAR, MAX_ALL_SIDECARS, MOST_SIDECARS = 4 * 2**20, 128 * 2**20, 50_000
# Share of the images that must have one. Masks of the same names may be most of them.
_LEAST = 0.2
# Characters and lines of a file that says its label in words.
_MOST_WORDS, _MOST_LINES = 80, 40
# YOLO: the number of a class, then a box or a polygon, in shares of the image.
_BOX = re.compile(r"\d{1,5}(\s+-?\d*\.?\d+(e-?\d+)?){4,}\s*")
_KEYED = re.compile(r"\s*([^:=\d][^:=]{0,60}?)\s*[:=]\s*(.*?)\s*$")
# What the classes of a YOLO export are called in a file of their own.
_NAMES = re.compile(
    r"(classes|predefined_classes|labels|.*\.names|.*\.ya?ml|_darknet\.labels)(\.txt)?"
)
_LISTED = re.compile(r"^names\s*:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^names\s*:\s*\n((?:[ \t]*(?:-|\d+\s*:)[^\n]*\n?)+)", re.MULTILINE)
# Columns by what they say.
OBJECT, WORDED = "object class", "written label"


def sidecars_among(files: Iterable[str], images: Collection[str]) -> dict[str, str]:
    """Return the files that lie beside an image, or in a folder beside it, and are called as it.

    Args:
        files: all files.
        images: those that are images.

    Returns:
        What each names, by file: its path without the suffix.
    """
    stems = {posixpath.splitext(posixpath.basename(name))[0].lower() for name in images}
    whole = {posixpath.basename(name).lower() for name in images}
    found: dict[str, dict[str, str]] = {suffix: {} for suffix in SUFFIXES}
    for name in files:
        base, suffix = posixpath.splitext(name)
        own = posixpath.basename(base).lower()
        if suffix.lower() in found and (own in stems or own in whole):
            found[suffix.lower()][name] = base
    least = max(2.0, _LEAST * len(images))
    kept = [own for own in found.values() if len(own) >= least]
    return dict(sorted((k, v) for own in kept for k, v in own.items())[:MOST_SIDECARS])


def is_sidecars(table: str) -> bool:
    """Return whether a table was made of a folder's label files."""
    return posixpath.basename(table).startswith("*.")


def is_read(name: str, size: int, named: Mapping[str, str]) -> bool:
    """Return whether a file is read as a label file, or for the classes that these number."""
    return size <= MAX_SIDECAR and (name in named or (bool(named) and names_classes(name)))


def names_classes(name: str) -> bool:
    """Return whether a file may name the classes of YOLO's numbers."""
    return bool(_NAMES.fullmatch(posixpath.basename(name).lower()))


def read_sidecars(
    named: Mapping[str, str], sizes: Mapping[str, int], read: Callable[[str], bytes]
) -> dict[str, Grid]:
    """Return label files as tables, one a folder; what they do not say is no column.

    Args:
        named: what each file names, as `sidecars_among` has it.
        sizes: bytes of all files.
        read: returns the content of a file; b"" of one that can't be read.
    """
    texts: dict[str, bytes] = {}
    left = MAX_ALL_SIDECARS
    for name in sorted(sizes):
        left -= sizes[name] if is_read(name, sizes[name], named) else 0
        if left >= 0 and is_read(name, sizes[name], named):
            texts[name] = read(name)
    told_by = (raw for name, raw in texts.items() if names_classes(name) and name not in named)
    numbered = next((found for raw in told_by if (found := _class_names(_text(raw)))), ())
    folders: dict[str, list[tuple[str, dict[str, list[str]]]]] = defaultdict(list)
    for name in sorted(named):
        if name in texts:
            told = _told(name, _text(texts[name]), numbered)
            suffix = posixpath.splitext(name)[1].lower()
            folders[posixpath.join(posixpath.dirname(name), f"*{suffix}")].append(
                (named[name], told)
            )
    return {table: grid for table, rows in folders.items() if (grid := _grid(rows)) is not None}


def _grid(rows: list[tuple[str, dict[str, list[str]]]]) -> Grid | None:
    """Return the rows as a table of the columns that may say a label; None of none."""
    keys = dict.fromkeys(key for _, told in rows for key in told)
    kept = [
        key
        for key in list(keys)[:MAX_KEYS]
        if label_prior(key.rpartition(".")[2]) > 0
        or any(re.search(r"[^\W\d]", v) for _, told in rows for v in told.get(key, ()))
    ]
    if not kept:
        return None
    lines = (
        (file, *("|".join(told.get(key, ()))[:MAX_CELL] for key in kept)) for file, told in rows
    )
    return Grid(("file", *kept), tuple(enumerate(lines, start=2)))


def _told(name: str, text: str, numbered: tuple[str, ...]) -> dict[str, list[str]]:
    """Return what a label file says, by column."""
    suffix = posixpath.splitext(name)[1].lower()
    try:
        if suffix == ".json":
            return _titled(values_of(json.loads(text)))
        if suffix == ".xml":
            return _titled(values_of(of_element(ET.fromstring(text))))  # noqa: S314  # no entities
    except (ValueError, ET.ParseError, RecursionError):
        return {}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return {OBJECT: ["no object"]} if numbered else {}
    if all(_BOX.fullmatch(line) for line in lines):
        found = sorted({int(line.split()[0]) for line in lines})
        return {OBJECT: [numbered[n] if n < len(numbered) else str(n) for n in found]}
    return _in_words(lines[:_MOST_LINES])


def _in_words(lines: list[str]) -> dict[str, list[str]]:
    """Return the lines “name: value” by name, and a short last one without as the label."""
    keyed = [_KEYED.fullmatch(line) for line in lines]
    told = {found[1]: [found[2]] for found in keyed if found and found[2]}
    plain = [line for line, found in zip(lines, keyed, strict=True) if not found]
    if len(plain) == 1 and len(plain[0]) <= _MOST_WORDS:
        told[WORDED] = plain
    return told


def _titled(told: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return values by shorter titles: an object's or a tag's name is what it is."""
    found: dict[str, list[str]] = {}
    for key, values in told.items():
        title = re.sub(r"\.(text|name|classTitle|class_title)$", "", key.removesuffix(".text"))
        if re.fullmatch(r"(.*\.)?objects?", title):
            title = OBJECT
        if all(len(value) <= MAX_CELL for value in values):
            found.setdefault(title, []).extend(values)
    return found


def _class_names(text: str) -> tuple[str, ...]:
    """Return the classes that a YOLO export names, in order; () where it names none."""
    if listed := _LISTED.search(text):
        return tuple(part.strip(" '\"\n\r\t") for part in listed[1].split(","))
    if block := _BLOCK.search(text):
        parts = (re.sub(r"^\s*(-|\d+\s*:)", "", line) for line in block[1].splitlines())
        return tuple(part.strip(" '\"") for part in parts if part.strip())
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    short = all(len(line) <= _MOST_WORDS and ":" not in line for line in lines)
    return tuple(lines) if short else ()


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig", errors="replace")
