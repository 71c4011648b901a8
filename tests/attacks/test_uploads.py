"""Uploads that are made to cost much, crash or break out: each is refused in words, or read right.

What is merely damaged is in `tests/datasets/test_bad_input.py` and `test_fuzz.py`, and so are paths
that lead elsewhere, links, passwords, bombs in one file and polyglots.
"""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image
from pydicom.dataset import Dataset

from imil.datasets.archive.entries import MAX_DEPTH, MAX_FILES, Limits, lists
from imil.datasets.archive.inspect import inspect_archive
from imil.datasets.archive.read import opened, read_archive, unpack
from imil.datasets.files.tree import MOST_FAILED
from imil.datasets.listing import MAX_SKIPPED, MAX_TOLD
from imil.datasets.reading import uploads
from imil.datasets.reading.uploads import (
    LISTING,
    MOST_UPLOADS_WAITING,
    UPLOADS_AT_ONCE,
    UploadReader,
)
from imil.datasets.tables.table import (
    MAX_CELL,
    MAX_TABLE_ROWS,
    MOST_OWN_TABLES,
    MOST_TABLES,
    read_grid,
)
from imil.errors import DataError, ImilError
from tests.standins.dicoms import write_dicom
from tests.standins.hostile import (
    EACH,
    encoded,
    files_in,
    good,
    image,
    listed_only,
    overlapping,
    png_that_says,
    png_with_text,
    rows,
    studies_at,
    tabled,
    written,
)

# Seconds after which an attack counts as one that stalls, on a machine that does much else.
STALLS = 120


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty folder of the app, beside which attacks are made."""
    made = tmp_path / "home"
    made.mkdir()
    return made


def children(own: int | None = None) -> set[int]:
    """Return the processes that a process, or this one, has started and that go on."""
    own = own or os.getpid()
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == own and state != "Z":
            found.add(int(folder.name))
    return found


def refused(archive: Path, *, limits: Limits | None = None) -> ImilError:
    """Return why a zip is refused; nothing of it is written."""
    before = files_in(archive.parent)
    with pytest.raises(ImilError) as told:
        unpack(archive, archive.parent / "unpacked", limits=limits)
    assert files_in(archive.parent) == before
    return told.value


# ---- Zips ------------------------------------------------------------------------------------


def test_fifty_thousand_files_that_are_no_images_are_neither_written_nor_told_one_by_one(
    home: Path, tmp_path: Path
) -> None:
    kinds = [
        ("a/none {n}.png", b""),
        ("b/junk {n}.png", b"no image"),
        ("{n}/x.txt", b"text"),
        ("c/{n}", b"y"),
    ]
    junk = [(name.format(n=n), content) for n in range(12_500) for name, content in kinds]
    archive = written(tmp_path / "films.zip", [*good().items(), *junk, *[("a/b/" * 99, b"")]])
    studies = studies_at(home)
    began = time.monotonic()

    study = studies.from_archive(archive)

    assert time.monotonic() - began < STALLS
    assert len(study.images) == 2 * EACH
    assert len(study.report.skipped) == MAX_SKIPPED
    assert study.report.left_out == len(junk)
    kept = files_in(home)
    assert len(kept) < 2 * EACH + 10
    assert sum(kept.values()) < 300_000


def test_thousands_of_files_that_only_begin_as_images_are_given_up_soon(tmp_path: Path) -> None:
    begins = image(1)[:40]
    junk = [(f"a/{n:06d}.png", begins + b"%d" % n) for n in range(MOST_FAILED + 500)]
    large = [(f"a/{n:06d}.png", begins + bytes(5000)) for n in range(MOST_FAILED + 500)]
    for number, entries in enumerate((junk, large)):
        archive = written(tmp_path / f"{number}.zip", [*entries, ("b/x.png", image(2))])

        with pytest.raises(DataError, match=f"first {MOST_FAILED + 1}, {MOST_FAILED + 1} can't"):
            read_archive(archive, tmp_path / "study")

        assert not (tmp_path / "study").exists()


def test_what_does_not_begin_as_an_image_is_never_unpacked(tmp_path: Path) -> None:
    junk = {
        "a/x.png": b"<html>",
        "b/y.txt": b"t",
        "z": bytes(300),
        "b/w.dcm": b"x",
        "c/d/e.png": b"",
    }
    archive = written(tmp_path / "films.zip", [*good().items(), *junk.items()])

    listing = read_archive(archive, tmp_path / "study")

    assert sorted(files_in(tmp_path / "study")) == sorted(good())
    assert {skip.name for skip in listing.report.skipped} == set(junk)


@pytest.mark.parametrize("files", [MAX_FILES + 1, 1_390_000])
def test_a_list_of_too_many_files_is_refused_before_it_is_read(tmp_path: Path, files: int) -> None:
    archive = listed_only(tmp_path / "films.zip", files)

    with pytest.raises(DataError, match=f"more than {MAX_FILES} files"), opened(archive):
        pass
    assert lists(archive, "x")
    assert not lists(archive, "y")


def test_a_list_that_says_it_is_huge_is_refused(tmp_path: Path) -> None:
    archive = written(tmp_path / "films.zip", good().items())
    raw = bytearray(archive.read_bytes())
    at = raw.rindex(b"PK\x05\x06") + 12
    raw[at : at + 4] = struct.pack("<L", 2**31)
    archive.write_bytes(raw)

    assert "list of files has more than 64 MB" in str(refused(archive))
    assert not lists(archive, "a/0.png")


def test_the_list_of_a_zip_as_large_ones_are_written_is_bounded_as_well(tmp_path: Path) -> None:
    archive = written(tmp_path / "films.zip", good().items())
    raw = archive.read_bytes()
    end = raw.rindex(b"PK\x05\x06")
    count, size, at = struct.unpack_from("<HLL", raw, end + 10)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
    last = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, *[2**16 - 1] * 2, *[2**32 - 1] * 2, 0)

    def large(size: int) -> None:
        numbers = struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, size, at)
        archive.write_bytes(raw[:end] + b"PK\x06\x06" + numbers + locator + last)

    large(size)
    assert lists(archive, "a/0.png")
    assert read_archive(archive, tmp_path / "study").report.taken == 2 * EACH
    large(2**40)
    assert not lists(archive, "a/0.png")
    assert "list of files has more than 64 MB" in str(refused(archive))


def test_files_that_share_their_bytes_are_refused_by_what_they_would_take(tmp_path: Path) -> None:
    archive = overlapping(tmp_path / "films.zip", files=10, each=5 * 2**20)

    told = refused(archive, limits=Limits(inflated_bytes=20 * 2**20))

    assert "inflates to more than" in told.why


def test_a_small_zip_that_says_it_holds_gigabytes_is_refused(tmp_path: Path) -> None:
    archive = overlapping(tmp_path / "films.zip", files=10, each=2**20)
    raw = bytearray(archive.read_bytes())
    at = 0
    while (at := raw.find(b"PK\x01\x02", at)) >= 0:
        # What an entry has compressed and inflated, as the list says.
        raw[at + 20 : at + 28] = struct.pack("<LL", 2**20, 2**30)
        at += 46
    archive.write_bytes(raw)

    assert "inflates more than 200-fold" in refused(archive).why


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("d/" * (MAX_DEPTH + 1) + "x.png", f"It lies in more than {MAX_DEPTH - 1} folders."),
        ("a/" + "x" * 60_000 + ".png", "Its name is too long."),
        ("a/x.zip", "An archive inside the zip is not unpacked."),
        ("a/0.png", "The zip has two files of this name; the first was taken."),
    ],
    ids=["deep", "long", "nested", "doubled"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_no_data_set_has_is_left_out(tmp_path: Path, name: str, reason: str) -> None:
    archive = written(tmp_path / "films.zip", [*good().items(), (name, image(99))])

    listing = read_archive(archive, tmp_path / "study")
    look = inspect_archive(archive)

    (told,) = listing.report.skipped
    assert (told.reason, len(told.name) <= MAX_TOLD) == (reason, True)
    assert look.skipped == (told,)
    assert listing.report.taken == 2 * EACH


def test_more_folders_than_files_may_be_are_refused(tmp_path: Path) -> None:
    deep = [(f"{n}/" + "d/" * 20 + "x.png", b"") for n in range(40)]
    archive = written(tmp_path / "films.zip", deep)

    assert "40 files in 840 folders" in refused(archive, limits=Limits(files=800)).why


# ---- Pictures --------------------------------------------------------------------------------

GREY = Image.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12))


def frames(kind: str, **options: object) -> bytes:
    """Return a picture of three frames."""
    others = [GREY.rotate(90), GREY.rotate(180)]
    return encoded(GREY, kind, save_all=True, append_images=others, **options)


def tiff_that_says(width: int, height: int) -> bytes:
    """Return a TIFF that says how large it is."""
    fields = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    fields += [(273, 4, 8), (278, 4, height), (279, 4, 2**31)]
    body = b"".join(struct.pack("<HHLL", tag, kind, 1, value) for tag, kind, value in fields)
    return b"II*\0" + struct.pack("<LH", 8, len(fields)) + body + bytes(4)


def jpeg_that_says(width: int, height: int) -> bytes:
    """Return a JPEG that says how large it is."""
    raw = bytearray(encoded(GREY, "JPEG"))
    at = raw.index(b"\xff\xc0") + 5
    raw[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(raw)


BAD_PICTURES: dict[str, Callable[[], bytes]] = {
    "a PNG of a billion pixels.png": lambda: png_that_says(30_000, 40_000),
    "a PNG of no height.png": lambda: png_that_says(9, 0),
    "a PNG cut off before its pixels.png": lambda: png_that_says(60_000, 900),
    "a PNG with 80 MB of text.png": lambda: png_with_text(bytes(80 * 2**20)),
    "a TIFF of four billion pixels.tif": lambda: tiff_that_says(2**16, 2**16),
    "a TIFF with strips beyond its end.tif": lambda: tiff_that_says(900, 900),
    "a JPEG of four billion pixels.jpg": lambda: jpeg_that_says(65_500, 65_500),
    "a BMP of two billion pixels.bmp": lambda: (
        b"BM"
        + struct.pack("<LLLLllHHLLllLL", 90, 0, 54, 40, 46_000, 46_000, 1, 24, 0, 36, 0, 0, 0, 0)
        + bytes(36)
    ),
    "a GIF that is only its screen.gif": lambda: b"GIF89a" + struct.pack("<HH", 65_535, 65_535),
    "a WebP that is only its head.webp": lambda: b"RIFF\xff\xff\xff\x7fWEBPVP8L" + bytes(20),
    "a page.png": lambda: b"<html><script>alert(1)</script>",
    "a drawing.png": lambda: b"<?xml version='1.0'?><svg onload='alert(1)'/>",
    "a program.png": lambda: b"\x7fELF" + bytes(400),
}
GOOD_PICTURES: dict[str, tuple[Callable[[], bytes], tuple[int, int]]] = {
    "a column.png": (
        lambda: encoded(Image.linear_gradient("L").resize((1, 65_000)), "PNG"),
        (1, 65_000),
    ),
    "moving.gif": (lambda: frames("GIF"), (12, 12)),
    "moving.png": (lambda: frames("PNG"), (12, 12)),
    "moving.webp": (lambda: frames("WEBP", lossless=True), (12, 12)),
    "pages.tif": (lambda: frames("TIFF"), (12, 12)),
}


def test_hostile_pictures_are_left_out_and_unusual_ones_are_read(
    home: Path, tmp_path: Path
) -> None:
    bad = {f"a/{name}": make() for name, make in BAD_PICTURES.items()}
    unusual = {f"b/{name}": make() for name, (make, _) in GOOD_PICTURES.items()}
    archive = written(tmp_path / "films.zip", [*good().items(), *bad.items(), *unusual.items()])

    study = studies_at(home).from_archive(archive)

    # Of several frames none is taken unless one is picked.
    several = {"moving.gif", "moving.png", "moving.webp", "pages.tif"}
    skipped = {skip.name for skip in study.report.skipped}
    assert skipped == {*bad, *(f"b/{name}" for name in several)}
    shapes = [study.images.original(s.sample_id).shape[:2] for s in study.images.samples]
    sizes = [size for name, (_, size) in GOOD_PICTURES.items() if name not in several]
    assert sorted(shapes) == sorted(
        [(12, 12)] * 2 * EACH + [(height, width) for width, height in sizes]
    )


# ---- Tables ----------------------------------------------------------------------------------


def table(folder: Path, content: bytes, name: str = "labels.csv") -> Path:
    """Write a table."""
    file = folder / name
    file.write_bytes(content)
    return file


HEADER = b"file_name,label\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (HEADER + b"x.png,a\n" * (MAX_TABLE_ROWS + 1), "more than 400,000 rows"),
        (b"," * 499 + b"\n" + (b"1" + b"," * 499 + b"\n") * 20_100, "more than 10 million cells"),
        (HEADER + b'1.png,"a\n2.png,b\n3.png,a\n', "never closed"),
        (HEADER + b"1.png," + b"a" * 200_000 + b"\n", "not text with comma-separated columns"),
        (b"\xff\xfe" + b"\x00\xd8" * 9, "not text with comma-separated columns"),
    ],
    ids=["rows", "cells", "quote", "cell", "half a letter"],
)
def test_a_table_that_costs_too_much_or_loses_rows_is_refused(
    tmp_path: Path, content: bytes, why: str
) -> None:
    with pytest.raises(DataError, match=why):
        read_grid(table(tmp_path, content), "labels.csv")


def test_a_table_of_100_000_columns_is_read_as_far_as_columns_are(tmp_path: Path) -> None:
    wide = b"file_name,label" + b",x" * 100_000 + b"\n"
    lines = b"".join(row.encode() + b",1" * 100_000 + b"\n" for row in rows())
    archive = written(tmp_path / "films.zip", tabled(wide + lines).items())

    listing = read_archive(archive, tmp_path / "study")

    assert [entry.label for entry in listing.entries] == [
        "ab"[n % 2] for n in (0, 1, 10, 11, *range(2, 10))
    ]


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (b"1.png,a\x00b\n", ("1.png", "a\x00b")),
        (b"1.png,=1+HYPERLINK(1)\n", ("1.png", "=1+HYPERLINK(1)")),
        (b"1.png,gr\xfcn\n", ("1.png", "grün")),
        (b'1.png,"5"" wide"\n', ("1.png", '5" wide')),
        (b"1.png," + b"y" * 9_000 + b"\n", ("1.png", "y" * MAX_CELL)),
    ],
    ids=["zero byte", "formula", "old encoding", "inches", "long"],
)
def test_unusual_cells_are_read_as_text(tmp_path: Path, row: bytes, cells: tuple[str, ...]) -> None:
    assert read_grid(table(tmp_path, HEADER + row), "t.csv").rows == ((2, cells),)


def workbook(folder: Path, *, part: str, content: bytes) -> Path:
    """Write a workbook of which one part is replaced."""
    book, file = Workbook(), io.BytesIO()
    for row in ("file_name,label", *rows()):
        book.active.append(row.split(","))
    book.save(file)
    with zipfile.ZipFile(file) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    return written(folder / "labels.xlsx", {**parts, part: content}.items())


LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"lol") for n in range(12)
)


@pytest.mark.parametrize(
    ("part", "content", "why"),
    [
        ("xl/worksheets/sheet1.xml", b"<x>" + bytes(120 * 2**20), "more than 100 MB"),
        (
            "xl/worksheets/sheet1.xml",
            b"<!DOCTYPE x [" + LAUGHS + b"]><x>&l11;</x>",
            "read as a table",
        ),
        ("xl/workbook.xml", b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "read as a table"),
    ],
    ids=["bomb", "laughs", "document type"],
)
def test_a_hostile_workbook_is_refused(tmp_path: Path, part: str, content: bytes, why: str) -> None:
    file = workbook(tmp_path, part=part, content=content)

    with pytest.raises(DataError, match=why):
        read_grid(file, "labels.xlsx")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.xml", b"<!DOCTYPE x [" + LAUGHS + b"]><x><i a='&l11;'/></x>"),
        ("t.xml", b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x><i>&e;</i></x>"),
        ("t.json", b"[" * 100_000),
        ("t.jsonl", b'{"a":' * 100_000),
        ("t.parquet", b"PAR1" + bytes(99) + b"PAR1"),
    ],
)
def test_hostile_records_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match="read as a table"):
        read_grid(tmp_path / name, name)


def test_a_workbook_that_links_elsewhere_is_read_and_the_link_is_not(tmp_path: Path) -> None:
    link = b'<externalLink xmlns="x"><ddeLink ddeService="cmd" ddeTopic="/c calc"/></externalLink>'
    file = workbook(tmp_path, part="xl/externalLinks/externalLink1.xml", content=link)

    assert len(read_grid(file, "labels.xlsx").rows) == 2 * EACH


def test_of_one_table_a_file_the_largest_are_looked_into(tmp_path: Path) -> None:
    tables = [(f"a/{n}.csv", b"x,y\n1,2\n") for n in range(3000)]
    named = "\n".join(["image,dx", *(f"{name},{name[0]}" for name in good())])
    archive = written(
        tmp_path / "films.zip", [*good().items(), *tables, ("labels.csv", named.encode())]
    )

    listing = read_archive(archive, tmp_path / "study")

    assert listing.report.taken == 2 * EACH
    assert "by “image”" in " ".join(listing.report.notes)
    assert sum(name.endswith(".csv") for name in files_in(tmp_path / "study")) == MOST_TABLES
    assert inspect_archive(archive).classes == {name[0]: EACH for name in good()}


def test_more_tables_of_the_convention_than_classes_are_refused(tmp_path: Path) -> None:
    tables = [(f"{n}/metadata.csv", HEADER) for n in range(MOST_OWN_TABLES + 1)]
    archive = written(tmp_path / "films.zip", [*good().items(), *tables])

    for read in (inspect_archive, lambda path: read_archive(path, tmp_path / "study")):
        with pytest.raises(DataError, match=f"There are {MOST_OWN_TABLES + 1} tables"):
            read(archive)
    assert not (tmp_path / "study").exists()


# ---- DICOM -----------------------------------------------------------------------------------


def nested(levels: int) -> Dataset:
    """Return an item that holds an item that holds an item, and so on."""
    item = Dataset()
    for _ in range(levels):
        outer = Dataset()
        outer.ReferencedSeriesSequence = [item]
        item = outer
    return item


def test_hostile_dicom_files_are_left_out_and_the_others_are_read(
    home: Path, tmp_path: Path
) -> None:
    pixels = np.arange(144, dtype=np.uint8).reshape(12, 12)

    def made(**tags: Any) -> bytes:
        return write_dicom(tmp_path / "made.dcm", pixels, **tags).read_bytes()

    sound = made(PatientID="p")
    cut = sound[:-40]
    lying = bytearray(sound)
    at = lying.rindex(struct.pack("<HH", 0x7FE0, 0x0010)) + 8
    lying[at : at + 4] = struct.pack("<L", 2**31)
    bad = {
        "a/huge.dcm": made(Rows=65_535, Columns=65_535),
        "a/many frames.dcm": made(NumberOfFrames=2**31 - 1),
        "a/cut.dcm": cut,
        "a/none.dcm": b"DICM" * 99,
    }
    group = Dataset()
    group.add_new(0x00111010, "UN", bytes(9_000))
    private = made(ReferencedStudySequence=[group])
    deep = write_dicom(
        tmp_path / "deep.dcm", pixels, ReferencedStudySequence=[nested(60)]
    ).read_bytes()
    archive = written(
        tmp_path / "films.zip",
        [
            *good().items(),
            *bad.items(),
            ("b/lying.dcm", bytes(lying)),
            ("b/private.dcm", private),
            ("b/deep.dcm", deep),
        ],
    )

    study = studies_at(home).from_archive(archive)

    assert {skip.name for skip in study.report.skipped} == set(bad)
    assert len(study.images) == 2 * EACH + 3


# ---- What a reading may cost -----------------------------------------------------------------


def test_a_reading_that_takes_too_long_is_ended_and_leaves_nothing(
    home: Path, tmp_path: Path
) -> None:
    archive = written(tmp_path / "films.zip", good().items())
    before = children()
    studies = studies_at(home, uploads=UploadReader(limit=0.05))

    with pytest.raises(DataError, match="took too long"):
        studies.from_archive(archive)
    with pytest.raises(DataError, match="took too long"):
        studies.look_into(archive)

    assert files_in(home) == {}
    assert children() == before


def test_an_image_that_takes_too_much_memory_is_left_out_and_the_others_are_read(
    home: Path, tmp_path: Path
) -> None:
    # Two thirds of the pixels that an image may have, and more than this process may.
    large = encoded(Image.new("RGB", (9_000, 6_000), (9, 8, 7)), "PNG")
    archive = written(tmp_path / "films.zip", [*good().items(), ("a/large.png", large)])

    study = studies_at(home, uploads=UploadReader(memory=450 * 2**20)).from_archive(archive)

    (told,) = study.report.skipped
    assert (told.name, told.reason) == ("a/large.png", "It needs more memory than one image may.")
    assert len(study.images) == 2 * EACH


def test_a_reading_that_takes_too_much_memory_is_refused_and_leaves_nothing(
    home: Path, tmp_path: Path
) -> None:
    line = b"1.png,a" + b",some words of free text" * 20 + b"\n"
    archive = written(tmp_path / "films.zip", tabled(HEADER + line * 60_000).items())
    studies = studies_at(home, uploads=UploadReader(memory=330 * 2**20))

    with pytest.raises(DataError, match="needs more memory"):
        studies.from_archive(archive)

    assert files_in(home) == {}


@pytest.mark.parametrize(("memory", "told"), [(2**20, "memory"), (2**50, "fault")])
def test_whatever_fails_near_the_limit_of_memory_is_told_as_want_of_it(
    memory: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object) -> dict[str, Any]:
        raise RuntimeError("can't start new thread")

    monkeypatch.setitem(uploads._TASKS, "look", no_thread)
    monkeypatch.setattr(tempfile, "tempdir", None)
    asked = {"do": "look", "archive": "films.zip", "work": str(tmp_path), "memory": memory}

    assert told in uploads._said(asked, lambda _done, _total: None)


def test_a_reading_whose_process_dies_is_told_and_leaves_nothing(
    home: Path, tmp_path: Path
) -> None:
    archive = written(tmp_path / "films.zip", good().items())
    before = children()

    def kill(_done: int, _total: int) -> None:
        for child in children() - before:
            os.kill(child, signal.SIGKILL)

    with pytest.raises(DataError, match="crashes the program that reads it"):
        studies_at(home).from_archive(archive, on_progress=kill)

    assert files_in(home) == {}


def test_whoever_stops_a_reading_need_not_wait_for_it(home: Path, tmp_path: Path) -> None:
    many = {f"a/more {n}.png": image(n, side=64) for n in range(500)}
    archive = written(tmp_path / "films.zip", [*good().items(), *many.items()])
    before = children()
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        studies_at(home).from_archive(archive, on_progress=stop)

    assert told == sorted(told)
    assert told[-1][0] < told[-1][1]
    assert files_in(home) == {}
    assert children() == before


READS = """
import sys, pathlib
from imil.datasets.reading.uploads import UploadReader
archive, work = map(pathlib.Path, sys.argv[1:])
tell = lambda *told: print(*told, flush=True)
UploadReader().read(archive, work, name="x", salt="s", seed=0, on_progress=tell)
"""


def test_a_reading_ends_with_the_app_that_began_it(home: Path, tmp_path: Path) -> None:
    many = {f"a/more {n}.png": image(n, side=64) for n in range(500)}
    archive = written(tmp_path / "films.zip", [*good().items(), *many.items()])
    app = subprocess.Popen(
        [sys.executable, "-c", READS, archive, home], stdout=subprocess.PIPE, text=True
    )
    assert app.stdout is not None
    while app.stdout.readline().split()[0] == "0":
        pass
    (reading,) = children(app.pid)

    app.kill()
    app.communicate()

    end = time.monotonic() + STALLS
    while going_on(reading) and time.monotonic() < end:
        time.sleep(0.05)
    assert not going_on(reading)
    assert not (home / LISTING).exists()


def going_on(process: int) -> bool:
    """Return whether a process has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_uploads_beyond_those_that_may_wait_are_refused_at_once(home: Path, tmp_path: Path) -> None:
    archive = written(tmp_path / "films.zip", good().items())
    studies, go_on = studies_at(home), threading.Event()
    told: list[str] = []

    def hold(_done: int, _total: int) -> None:
        if not go_on.wait(0.1):
            return
        raise InterruptedError

    def read() -> None:
        try:
            studies.from_archive(archive, on_progress=hold)
        except (DataError, InterruptedError) as error:
            told.append(str(error))

    many = [
        threading.Thread(target=read) for _ in range(3 * (UPLOADS_AT_ONCE + MOST_UPLOADS_WAITING))
    ]
    for one in many:
        one.start()
    end = time.monotonic() + STALLS
    while not told and time.monotonic() < end:
        time.sleep(0.01)
    go_on.set()
    for one in many:
        one.join(STALLS)

    assert any("Too many uploads wait" in each for each in told)
    assert studies.from_archive(archive).study_id


def test_images_are_brought_again_within_the_same_bounds(home: Path, tmp_path: Path) -> None:
    archive = written(tmp_path / "films.zip", good().items())
    studies = studies_at(home)
    study = studies.from_archive(archive)
    kept = {path: path.read_bytes() for path in home.rglob("*.png")}
    first = next(iter(kept))
    first.unlink()
    again = studies_at(home, uploads=UploadReader(limit=0.05)).open(study.study_id)

    with pytest.raises(DataError, match="took too long"):
        again.pictures.restore(archive)
    assert not first.exists()
    brought = studies_at(home).open(study.study_id).pictures.restore(archive)

    assert (brought.found, brought.missing) == (1, 0)
    assert {path: path.read_bytes() for path in home.rglob("*.png")} == kept


def test_nothing_lies_beside_the_images_of_a_reading(home: Path, tmp_path: Path) -> None:
    archive = written(tmp_path / "films.zip", good().items())

    study = studies_at(home).from_archive(archive)

    names = set(files_in(home))
    own = {name for name in names if name.startswith(f"work/studies/{study.study_id}/")}
    assert sum(name.endswith(".png") for name in own) == len(study.images)
    assert not any(LISTING in name for name in own)
    assert not (home / "work" / "brought").exists() or files_in(home / "work" / "brought") == {}
