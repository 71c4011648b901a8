"""What must be true of every damaged file, by source: `check` runs each on many of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from imil.datasets.choices import Choices
from imil.datasets.hub.process import HubRequest
from imil.errors import ImilError
from imil.study.study import Study
from tests.datasets.hub_sets import parquet, picture
from tests.standins.fakehub import FakeHub
from tests.standins.fuzzing import (
    EACH,
    Damage,
    Door,
    damaged,
    damages,
    dicoms,
    encoded,
    good_images,
    good_pixels,
    kept_pixels,
    named,
    pictures,
    pixels_of,
    sheet,
    zipped,
)

# DICOM files brought in one zip, since a process is begun for each zip; and rows of a Hub's set.
TOGETHER = 10
# Rows of a table.
ROWS = 16

# How a zip begins; what begins otherwise is something else, and refused.
_START = b"PK\x03\x04"

# Pieces of names as strangers write them.
_PIECES = ("..", ".", "/", "\\", "C:", "a", "b", " ", "\u202e", "\x07", "x.png", ".zip", "é", "~")


@dataclass(frozen=True, slots=True)
class Source:
    """One way in: a claim about a damaged file, how such files are made, and how many a call."""

    claim: Callable[..., None]
    made: Mapping[str, st.SearchStrategy[Any]]
    together: int = 1


def check(source: Source, door: Door, files: int, *, start: int | None = None) -> None:
    """Bring so many damaged files; equal ones at each call without `start`."""

    def run(**given_: Any) -> None:
        source.claim(door, **given_)

    tried = settings(
        max_examples=max(1, files // source.together),
        deadline=None,
        database=None,
        derandomize=start is None,
        suppress_health_check=list(HealthCheck),
    )(given(**source.made)(run))
    (tried if start is None else seed(start)(tried))()


def one_damaged_picture(door: Door, name: str, done: Sequence[Damage]) -> None:
    raw = damaged(pictures()[name], done)
    archive = zipped(door.home / "x.zip", {**good_images(), f"a/bad-{name}": raw})

    study = door.bring(archive)

    _all_but(study, {f"a/bad-{name}"})


def some_damaged_dicoms(door: Door, files: Sequence[tuple[int, Sequence[Damage]]]) -> None:
    sound = dicoms(door.home.parent / "dicoms")
    bad = {
        f"b/bad{number}.dcm": damaged(sound[which % len(sound)], done)
        for number, (which, done) in enumerate(files)
    }
    archive = zipped(door.home / "x.zip", {**good_images(), **bad})

    study = door.bring(archive)

    _all_but(study, set(bad))


def a_table_with_damaged_rows(
    door: Door, cells: Mapping[int, Sequence[str]], as_sheet: bool
) -> None:
    rows = [[f"{n}.png", "ab"[n % 2], f"p{n}"] for n in range(ROWS)]
    for number, changed in cells.items():
        rows[number] = list(changed)
    table = [["file_name", "label", "patient_id"], *rows]
    images = {f"{n}.png": encoded(pixels_of(n), "PNG") for n in range(ROWS)}
    text = "\n".join(",".join(row) for row in table).encode()
    content = {"t.xlsx": sheet(table)} if as_sheet else {"metadata.csv": text}
    archive = zipped(door.home / "x.zip", {**images, **content})

    study = door.bring(archive, positive="b")

    assert isinstance(study, Study), study
    # Two rows that name one image differ in its label: then it is left out, and named.
    doubled = {f"{rows[n][0].strip().removesuffix('.png')}.png" for n in cells}
    good = {f"{n}.png": images[f"{n}.png"] for n in range(ROWS) if n not in cells}
    good = {name: content for name, content in good.items() if name not in doubled}
    assert good_pixels(good) <= kept_pixels(study)
    assert len(study.images) + len(named(study) & set(images)) >= ROWS - len(cells)
    told = {name.rpartition("line ")[2] for name in named(study)}
    for number in cells:
        there = rows[number][0].strip() in images
        blank = not any(cell.strip() for cell in rows[number])
        assert there or blank or str(number + 2) in told


def a_damaged_table(door: Door, done: Sequence[Damage], kind: str, beside: bool) -> None:
    rows = [["image", "dx"], *([f"{n}.png", "ab"[n % 2]] for n in range(ROWS))]
    images = {f"{n}.png": encoded(pixels_of(n), "PNG") for n in range(ROWS)}
    if kind == "csv":
        raw = damaged("\n".join(";".join(row) for row in rows).encode(), done)
    elif kind == "xlsx":
        raw = damaged(sheet(rows), done)
    else:
        raw = _with_damaged_sheet(sheet(rows), done)
    name = f"table.{kind[:4]}"
    content = images if beside else {**images, name: raw}
    archive = zipped(door.home / "x.zip", content)
    table = door.home / name
    table.write_bytes(raw)

    study = door.bring(archive, choices=Choices(table_file=table) if beside else None)

    if isinstance(study, Study):
        assert kept_pixels(study) <= good_pixels(images)
        lines = {name for name in named(study) if "line" in name}
        assert len(study.images) + len(named(study) & set(images)) + len(lines) >= ROWS


def _with_damaged_sheet(raw: bytes, done: Sequence[Damage]) -> bytes:
    """Return a workbook whose zip is sound and whose sheet is damaged."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as book, zipfile.ZipFile(out, "w") as changed:
        for name in book.namelist():
            content = book.read(name)
            changed.writestr(name, damaged(content, done) if "sheet1" in name else content)
    return out.getvalue()


def a_damaged_zip(door: Door, done: Sequence[Damage]) -> None:
    archive = zipped(door.home / "x.zip", good_images())
    sound = archive.read_bytes()
    archive.write_bytes(damaged(sound, done))
    untouched = _untouched(archive, sound)

    study = door.bring(archive)

    if isinstance(study, Study):
        assert kept_pixels(study) <= good_pixels(good_images())
    if untouched is None:
        return
    # Fewer can't be split into train, validation and test.
    if all(sum(name.startswith(label) for name in untouched) > 2 for label in "ab"):
        assert isinstance(study, Study), study
        assert good_pixels(untouched) <= kept_pixels(study)
        lost = set(good_images()) - set(untouched)
        assert named(study) <= lost
        assert len(study.images) + len(named(study)) == len(good_images())


def a_damaged_entry_of_a_zip(door: Door, which: int, done: Sequence[Damage]) -> None:
    archive = zipped(door.home / "x.zip", good_images())
    sound = archive.read_bytes()
    # Not the first, which begins the file: what begins otherwise is no zip.
    name = sorted(good_images())[which]
    with zipfile.ZipFile(archive) as listed:
        starts = [*(entry.header_offset for entry in listed.infolist()), listed.start_dir]
        begin = listed.getinfo(name).header_offset
    end = min(start for start in starts if start > begin)
    archive.write_bytes(sound[:begin] + damaged(sound[begin:end], done) + sound[end:])

    study = door.bring(archive)

    assert isinstance(study, Study), study
    others = {other: content for other, content in good_images().items() if other != name}
    assert good_pixels(others) <= kept_pixels(study) <= good_pixels(good_images())
    assert len(study.images) + len(named(study)) == len(good_images())
    assert named(study) <= {name}


def _untouched(archive: Path, sound: bytes) -> dict[str, bytes] | None:
    """Return the images before and behind all that was damaged; None where the zip's list was."""
    changed = archive.read_bytes()
    before, behind = _shared(sound, changed), _shared(sound[::-1], changed[::-1])
    good = {}
    with zipfile.ZipFile(io.BytesIO(sound)) as zipped_:
        if before < len(_START) or behind < len(sound) - zipped_.start_dir:
            return None
        ends = [entry.header_offset for entry in zipped_.infolist()[1:]]
        for entry, end in zip(zipped_.infolist(), [*ends, zipped_.start_dir], strict=True):
            if end <= before or entry.header_offset >= len(sound) - behind:
                good[entry.filename] = good_images()[entry.filename]
    return good


def _shared(one: bytes, other: bytes) -> int:
    """Return how many bytes are the same at the beginning of both."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def a_zip_of_strange_names(door: Door, names: Sequence[str]) -> None:
    archive = zipped(door.home / "x.zip", {**good_images(), **dict.fromkeys(names, b"x")})

    study = door.bring(archive)

    if isinstance(study, Study):
        assert good_pixels(good_images()) <= kept_pixels(study)


def a_damaged_set_of_the_hub(
    door: Door, hub: FakeHub, files: Sequence[Sequence[Damage]], whole: Sequence[Damage]
) -> None:
    rows = [{"image": picture(n), "label": n % 2} for n in range(2 * TOGETHER)]
    for number, done in enumerate(files):
        rows[number]["image"] = damaged(picture(number), done)
    content = damaged(parquet(rows, names=["no", "yes"]), whole)
    hub.put("lab/films", {"data/train.parquet": content}, kind="datasets")

    study = door.bring(HubRequest("lab/films"))

    if whole:
        assert isinstance(study, Study | ImilError)
        return
    assert isinstance(study, Study), study
    assert len(study.images) + len(named(study)) == len(rows)
    sound = {str(number): picture(number) for number in range(len(files), len(rows))}
    assert good_pixels(sound) <= kept_pixels(study)


def _all_but(study: Study | ImilError, bad: set[str]) -> None:
    """Check that all good images are there, and each bad one is too, or is named."""
    assert isinstance(study, Study), study
    assert good_pixels(good_images()) <= kept_pixels(study)
    assert len(study.images) + len(named(study)) == len(good_images()) + len(bad)
    assert named(study) <= bad


# No quotes and no control characters: those change which rows there are.
_text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters='",;'),
    max_size=12,
)

SOURCES = {
    "pictures": Source(
        one_damaged_picture, {"name": st.sampled_from(sorted(pictures())), "done": damages}
    ),
    "DICOM": Source(
        some_damaged_dicoms,
        {
            "files": st.lists(
                st.tuples(st.integers(0, 99), damages), min_size=TOGETHER, max_size=TOGETHER
            )
        },
        TOGETHER,
    ),
    "rows of tables": Source(
        a_table_with_damaged_rows,
        {
            "cells": st.dictionaries(
                st.integers(0, ROWS - 1),
                st.lists(st.one_of(_text, st.sampled_from(["a", "p1"])), min_size=1, max_size=4),
                min_size=1,
                max_size=4,
            ),
            "as_sheet": st.booleans(),
        },
    ),
    "tables": Source(
        a_damaged_table,
        {
            "done": damages,
            "kind": st.sampled_from(["csv", "xlsx", "xlsx inside"]),
            "beside": st.booleans(),
        },
    ),
    "zips": Source(a_damaged_zip, {"done": damages}),
    "entries of zips": Source(
        a_damaged_entry_of_a_zip, {"which": st.integers(1, 2 * EACH - 1), "done": damages}
    ),
    "names in zips": Source(
        a_zip_of_strange_names,
        {
            "names": st.lists(
                st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6).map("".join),
                min_size=1,
                max_size=4,
                unique=True,
            )
        },
    ),
}


def hub_source(hub: FakeHub) -> Source:
    """Return the way in from the Hub: damaged images in a sound set, or a damaged set."""
    images = st.lists(damages, min_size=TOGETHER, max_size=TOGETHER)
    made = {"hub": st.just(hub), "files": images, "whole": st.one_of(st.just([]), damages)}
    return Source(a_damaged_set_of_the_hub, made, TOGETHER)
