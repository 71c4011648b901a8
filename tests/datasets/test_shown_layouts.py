"""Layouts as docs/data.md shows them: each is read here, and the page's table is what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.layout.reading import Reading
from imil.datasets.tables.table import Grid

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
BEGIN, END = "<!-- layouts: written by pytest --bless -->", "<!-- /layouts -->"
KINDS = ("benign", "malignant")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Shown:
    """One layout: its files, tables, and for each file the label that it must be read with."""

    title: str
    files: Mapping[str, str]
    tables: Mapping[str, str] = field(default_factory=dict)
    masks: tuple[str, ...] = ()
    digest: Callable[[str], object] = lambda name: name


def _folders(pattern: str, count: int = 9) -> dict[str, str]:
    return {
        pattern.format(c=c, n=n, p=n // 3 + 5 * (c != "benign")): c
        for c in KINDS
        for n in range(count)
    }


def _named(pattern: str, count: int = 12) -> dict[str, str]:
    return {pattern.format(n=n): KINDS[n % 2] for n in range(count)}


def _table(head: str, row: str, count: int = 12) -> str:
    rows = (
        row.format(n=n, c=KINDS[n % 2], p=n // 2, s=SPLITS[n // 4 % 3], one=n % 2, none=(n + 1) % 2)
        for n in range(count)
    )
    return "\n".join((head, *rows))


_IN_SPLITS = {f"{s}/{c}/{n}.png": c for s in SPLITS for c in KINDS for n in range(6)}
SHOWN = (
    Shown("a folder a class", _folders("{c}/{n}.png")),
    Shown("splits above classes", _IN_SPLITS),
    Shown("folders of patients above classes", _folders("patient{p:02}/{c}/{n}.png")),
    Shown("classes above folders of patients", _folders("{c}/patient{p:02}/{n}.png")),
    Shown(
        "masks beside their images",
        _folders("{c}/{n}.png"),
        masks=tuple(f"{c}/{n}_mask.png" for c in KINDS for n in range(9)),
    ),
    Shown(
        "masks in a folder of their own",
        _folders("{c}/images/{c}-{n}.png"),
        masks=tuple(f"{c}/masks/{c}-{n}.png" for c in KINDS for n in range(9)),
    ),
    Shown(
        "a table of files and labels",
        _named("images/{n:04}.png"),
        {"labels.csv": _table("image,diagnosis", "{n:04}.png,{c}")},
    ),
    Shown(
        "a table without suffixes or zeros",
        _named("images/{n:04}.png"),
        {"labels.csv": _table("id,dx", "{n},{c}")},
    ),
    Shown(
        "a table with splits and patients",
        _named("{n:04}.png"),
        {"metadata.csv": _table("file_name,label,patient_id,split", "{n:04}.png,{c},p{p},{s}")},
    ),
    Shown(
        "labels in one table, patients in another",
        _named("{n:04}.png"),
        {
            "labels.csv": _table("image,label", "{n:04},{c}"),
            "people.csv": _table("image,patient", "{n:04},p{p}"),
        },
    ),
    Shown(
        "one column a class, 0 or 1",
        _named("{n:04}.png"),
        {"truth.csv": _table("image,benign,malignant", "{n:04},{none},{one}")},
    ),
    Shown(
        "labels in file names",
        {
            f"all/{('normal', 'sick')[n % 2]}_{n:04}.png": ("normal", "sick")[n % 2]
            for n in range(20)
        },
    ),
    Shown(
        "numbered parts",
        {f"images_{n % 3:03}/images/{n:05}.png": KINDS[n % 2] for n in range(30)},
        {"entry.csv": _table("Image Index,Finding Labels", "{n:05}.png,{c}", 30)},
    ),
    Shown(
        "the same files in a nested folder",
        _folders("set/{c}/{n}.png"),
        digest=lambda name: name.rpartition("set/")[2],
    ),
)


def _grid(content: str) -> Grid:
    head, *rows = (tuple(line.split(",")) for line in content.split("\n"))
    return Grid(head, tuple(enumerate(rows, start=2)))


def _read(shown: Shown) -> Reading:
    nested = [f"set/{name}" for name in shown.files if "nested" in shown.title]
    names = (*shown.files, *shown.masks, *nested)
    tables = {name: _grid(content) for name, content in shown.tables.items()}
    return read_layout(Listed(names, tables, digest=shown.digest))


def _row(shown: Shown) -> str:
    found = _read(shown)
    first = found.images[0]
    tables = "; ".join(
        f"`{name}`: `{content.split(chr(10))[0]}`" for name, content in shown.tables.items()
    )
    chosen = {question.id: question.chosen for question in found.questions}
    cells = (
        shown.title,
        f"`{first.file}`" + (f" {tables}" if tables else ""),
        f"{chosen['label']}: {', '.join(found.classes)}",
        chosen["split"],
        chosen["patient"],
        f"{len(found.masks)} masks"
        if found.masks
        else f"{len(found.left_out)} left out"
        if found.left_out
        else "",
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _written() -> str:
    head = (
        "| layout | a file, and tables | label | split | patients | besides |",
        "|---|---|---|---|---|---|",
    )
    return "\n".join((BEGIN, *head, *map(_row, SHOWN), END))


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.title)
def test_a_layout_that_is_shown_is_read_without_a_question(shown: Shown) -> None:
    found = _read(shown)

    assert found.open == ()
    assert {image.file: image.label for image in found.images} == shown.files
    assert {mask.file for mask in found.masks} == set(shown.masks)


def test_the_page_shows_what_is_read(bless: bool) -> None:
    content = PAGE.read_text("utf-8")
    before, _, rest = content.partition(BEGIN)
    after = rest.partition(END)[2]
    if bless:
        PAGE.write_text(f"{before}{_written()}{after}", "utf-8")

    assert f"{before}{_written()}{after}" == PAGE.read_text("utf-8")
