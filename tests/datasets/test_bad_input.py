"""What is wrong with what a visitor brings, and what they are told: the whole table of it.

Each row goes through the app's own door. `WHOLE` is refused as a whole, and nothing is left of it.
Of `PARTS`, what is named is left out, and the rest of the zip is read. `TOLD` is read, and said.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil.errors import ImilError
from imil.study.study import Study
from tests.standins.dicoms import write_dicom
from tests.standins.fuzzing import (
    Door,
    encoded,
    good_images,
    good_pixels,
    kept_pixels,
    pixels_of,
    zipped,
)
from tests.standins.search import found_in

Files = Mapping[str, bytes]


def images(*names: str) -> Files:
    """Return a film of its own for each name."""
    return {name: encoded(pixels_of(n), "PNG") for n, name in enumerate(names)}


def labelled(table: str, *, name: str = "metadata.csv", films: int = 8) -> Files:
    """Return films 0.png, 1.png, … and a table."""
    return {**images(*(f"{n}.png" for n in range(films))), name: table.encode()}


def rows(*more: str) -> str:
    """Return a table that labels films 0 to 7, and more rows."""
    return "\n".join(["file_name,label", *(f"{n}.png,{'ab'[n % 2]}" for n in range(8)), *more])


def packed(
    entries: Files, *, kind: int = 0, method: int = zipfile.ZIP_DEFLATED, flag: int = 0
) -> bytes:
    """Return a zip whose entries have a type, a way of compression, and a flag."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = kind << 16, method
            archive.writestr(entry, content)
    raw = bytearray(out.getvalue())
    raw[raw.index(b"PK\x01\x02") + 8] |= flag
    return bytes(raw)


def huge_png() -> bytes:
    """Return a small PNG that says it has 100,000 × 100,000 pixels."""
    raw = bytearray(encoded(pixels_of(0), "PNG"))
    raw[16:24] = struct.pack(">II", 100_000, 100_000)
    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    return bytes(raw)


def dicom(folder: Path, pixels: np.ndarray | None = None, **tags: Any) -> bytes:
    """Return a DICOM file."""
    shown = pixels_of(9) if pixels is None else pixels
    return write_dicom(folder / "made.dcm", shown, **tags).read_bytes()


CLASSES = good_images()
NOISE = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)

# ---- Refused as a whole: what is brought, as a file or as a zip of files → what is said.
WHOLE: dict[str, tuple[bytes | Files, str]] = {
    "an upload that was cut off before its first byte": (
        b"",
        (
            "“films.zip” is empty. It has 0 bytes, as after an upload that was cut off. Make the "
            "zip again, or upload it again."
        ),
    ),
    "no zip": (
        b"GIF89a, or a letter",
        (
            "“films.zip” can't be unpacked. The file is damaged, incomplete, or not a zip. Make "
            "the zip again with your system's own program, or upload it again."
        ),
    ),
    "a picture with a zip behind it": (
        encoded(NOISE, "PNG") + packed(CLASSES),
        (
            "“films.zip” can't be unpacked. The file is damaged, incomplete, or not a zip. Make "
            "the zip again with your system's own program, or upload it again."
        ),
    ),
    "a zip that was cut off": (
        packed(CLASSES)[:400],
        (
            "“films.zip” can't be unpacked. The file is damaged, incomplete, or not a zip. Make "
            "the zip again with your system's own program, or upload it again."
        ),
    ),
    "a zip without files": (
        packed({"only/a/folder/": b""}),
        "“films.zip” is empty. The zip has no files. Zip the folder that has the images.",
    ),
    "a way out of the folder": (
        {**CLASSES, "../../evil.png": b"x"},
        (
            "“films.zip” was refused. Its file “../../evil.png” would be written outside of the "
            "study's folder. Make the zip again from the folder that has the images."
        ),
    ),
    "a way out, as Windows writes it": (
        {**CLASSES, "..\\evil.png": b"x"},
        (
            "“films.zip” was refused. Its file “../evil.png” would be written outside of the "
            "study's folder. Make the zip again from the folder that has the images."
        ),
    ),
    "a way out that a blank hides": (
        {**CLASSES, ".. /evil.png": b"x"},
        (
            "“films.zip” was refused. Its file “.. /evil.png” would be written outside of the "
            "study's folder. Make the zip again from the folder that has the images."
        ),
    ),
    "a path from the root": (
        {**CLASSES, "/etc/evil.png": b"x"},
        (
            "“films.zip” was refused. Its file “/etc/evil.png” would be written outside of the "
            "study's folder. Make the zip again from the folder that has the images."
        ),
    ),
    "a drive": (
        {**CLASSES, "C:\\evil.png": b"x"},
        (
            "“films.zip” was refused. Its file “C:/evil.png” would be written outside of the "
            "study's folder. Make the zip again from the folder that has the images."
        ),
    ),
    "another machine": (
        {**CLASSES, "\\\\server\\evil.png": b"x"},
        (
            "“films.zip” was refused. Its file “//server/evil.png” would be written outside of the "
            "study's folder. Make the zip again from the folder that has the images."
        ),
    ),
    "a symbolic link": (
        packed({"a/link.png": b"/etc/passwd"}, kind=stat.S_IFLNK | 0o777),
        (
            "“films.zip” was refused. Its entry “a/link.png” is a link or a device, not a file. "
            "Replace links by the files that they mean, and make the zip again."
        ),
    ),
    "a pipe": (
        packed({"a/link.png": b""}, kind=stat.S_IFIFO | 0o777),
        (
            "“films.zip” was refused. Its entry “a/link.png” is a link or a device, not a file. "
            "Replace links by the files that they mean, and make the zip again."
        ),
    ),
    "a password": (
        packed({"a/1.png": b"x"}, flag=1),
        (
            "“films.zip” needs a password. Its file “a/1.png” is encrypted. Make the zip again "
            "without a password."
        ),
    ),
    "a compression that no system writes": (
        packed(CLASSES, method=zipfile.ZIP_LZMA),
        (
            "“films.zip” can't be unpacked. Its file “a/0.png” is compressed in an unusual way. "
            "Make the zip again with your system's own program."
        ),
    ),
    "a zip of which nothing can be read": (
        packed({"a/1.png": bytes(9)}, method=zipfile.ZIP_STORED).replace(bytes(9), b"123456789"),
        (
            "“films.zip” can't be unpacked. Its file “a/1.png” can't be read: It is damaged in the "
            "zip. Make the zip again with your system's own program, or upload it again."
        ),
    ),
    "a table that is damaged in the zip": (
        packed(labelled(rows()), method=zipfile.ZIP_STORED).replace(b"3.png,b", b"3.png,a"),
        (
            "The table “metadata.csv” in “films.zip” can't be read. It is damaged in the zip. "
            "Without it labels, patients and splits would be guessed. Make the zip again, without "
            "a password, or bring the table beside the zip."
        ),
    ),
    "a class of which too little can be read": (
        packed({**CLASSES, **images("c/1.png", "c/2.png", "c/3.png")}).replace(b"c/3", b"c/4", 1),
        (
            "The class “c” is too small to be split. It has 2 images of 2 patients, and each of "
            "train, validation and test needs a patient of every class. The zip's file “c/3.png” "
            "can't be read: It is damaged in the zip. Add images of other patients, leave the "
            "class out, or join it with another."
        ),
    ),
    "a bomb": (
        {**CLASSES, "a/blank.png": encoded(NOISE, "PNG") + bytes(70 * 2**20)},
        (
            "“films.zip” is too large. Its file “a/blank.png” inflates more than 200-fold, which "
            "no image does. Bring fewer or smaller images: several thousand of 1,000 pixels are "
            "plenty."
        ),
    ),
    "no images": (
        {"letter.txt": b"x"},
        (
            "No images found. There is no PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI file. "
            "Pick the "
            "folder or the zip that has the images."
        ),
    ),
    "web pages and drawings alone": (
        {"a/1.html": b"<html>", "b/1.svg": b"<svg/>"},
        (
            "No images found. There is no PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI file. "
            "Pick the "
            "folder or the zip that has the images."
        ),
    ),
    "images in one folder": (
        images("1.png", "2.png", "3.png"),
        (
            "No labels found. There are 3 images in one folder, and no table that names them. Put "
            "each class in its own folder, or add a table (CSV or .xlsx) with a column of file "
            "names and one of labels. Or say which column is which, as in --answer "
            "file=“column image”."
        ),
    ),
    "split folders without class folders": (
        images("train/1.png", "test/2.png"),
        (
            "No labels found. There are 2 images, none in a class folder, and no table that names "
            "them. Put "
            "each class in its own folder, or add a table (CSV or .xlsx) with a column of file "
            "names and one of labels. Or say which column is which, as in --answer "
            "file=“column image”."
        ),
    ),
    "images of which none can be read": (
        {"a/1.png": b"x", "b/2.png": b""},
        (
            "No image could be read. All 2 were skipped, “b/2.png” among them: The file is empty. "
            "Open them in an image viewer and save them again as PNG or JPEG."
        ),
    ),
    "a single class": (
        labelled("file_name,label\n0.png,a\n1.png,a\n2.png,a\n"),
        (
            "There is a single class: “a”. A classifier needs images of two classes or more to "
            "tell them apart. Add images of another class, or check the labels."
        ),
    ),
    "a class of one image": (
        {**CLASSES, **images("rare/1.png")},
        (
            "The class “rare” has one image. Each of train, validation and test needs images of "
            "every class. Add images of that class, leave it out, or compare one positive label "
            "with the rest."
        ),
    ),
    "an empty test set": (
        {**{f"train/{name}": content for name, content in CLASSES.items()}, "test/a/1.png": b""},
        (
            "The test set is empty. The data name its images (test), and none of them can be "
            "read. Put readable images into it, or answer --answer split=none so that the app "
            "makes the splits."
        ),
    ),
    "splits without train": (
        images("test/a/1.png", "val/b/1.png"),
        (
            "There are no training images. The splits are test, validation, and none of them is "
            "train. Name one of them train, or answer --answer split=none so that the app makes "
            "the splits."
        ),
    ),
    "a table without labels": (
        labelled("file_name,sex\n0.png,f\n"),
        (
            "No labels found. There are 8 images, and metadata.csv gives none of them a label. Put "
            "each class in its own folder, or add a table (CSV or .xlsx) with a column of file "
            "names and one of labels. Or say which column is which, as in --answer "
            "file=“column image”."
        ),
    ),
    "a table of other images": (
        labelled("name,label\nx,a\n"),
        (
            "No labels found. There are 8 images, and metadata.csv gives none of them a label. Put "
            "each class in its own folder, or add a table (CSV or .xlsx) with a column of file "
            "names and one of labels. Or say which column is which, as in --answer "
            "file=“column image”."
        ),
    ),
    "a table that is none": (
        labelled("file_name,label\n" + "x" * 200_000),
        (
            "“metadata.csv” can't be read as a table. It is not text with comma-separated columns, "
            "nor a workbook. Save it again from your spreadsheet program as “CSV UTF-8”."
        ),
    ),
    "a patient in train and test": (
        labelled(
            "file_name,label,patient_id,split\n"
            + "\n".join(
                f"{n}.png,{'ab'[n % 2]},p{n // 4},{('train', 'test')[n // 2 % 2]}" for n in range(8)
            )
        ),
        (
            "2 patients are in more than one split. These are “p0” (train: 0.png, test: 2.png); "
            "“p1” (train: 4.png, test: 6.png). A model that is tested on people it was trained on "
            "looks better than it is. Put all images of a patient into one split, or remove the "
            "splits so that the app splits the images by patient."
        ),
    ),
}

# ---- Left out by name: what lies in the zip beside good images → why it is left out.
PARTS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "a/an empty file.png": (lambda _: b"", "The file is empty."),
    "a/a picture that was cut off.png": (
        lambda _: encoded(NOISE, "PNG")[:600],
        "The file is damaged or ends too early.",
    ),
    "a/a drawing that calls itself a picture.png": (
        lambda _: b"<svg onload='x'/>",
        "It is an SVG drawing, not pixels.",
    ),
    "a/a drawing.svg": (
        lambda _: b"<svg/>",
        "By its name it is not a PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI image.",
    ),
    "a/a web page that calls itself a picture.jpg": (
        lambda _: b"<!DOCTYPE html>",
        "It is a web page, not an image.",
    ),
    "a/a web page.html": (
        lambda _: b"<html>",
        "By its name it is not a PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI image.",
    ),
    "a/a letter that calls itself a picture.png": (
        lambda _: b"Dear colleague",
        "It is not a PNG, JPEG, TIFF, BMP, WebP or GIF image, or its first bytes are damaged.",
    ),
    "a/a PDF that calls itself a picture.png": (
        lambda _: b"%PDF-1.7",
        "It is a PDF document, not an image.",
    ),
    "a/a zip that calls itself a picture.png": (
        lambda _: packed(CLASSES),
        "It is a zip archive, not an image.",
    ),
    "a/a zip in the zip.zip": (
        lambda _: packed(CLASSES),
        "An archive inside the zip is not unpacked.",
    ),
    "a/a picture of too many pixels.png": (
        lambda _: huge_png(),
        "It has far too many pixels, and more than 80 million are not opened.",
    ),
    "a/a picture of numbers that are no grey levels.tif": (
        lambda _: encoded(np.ones((4, 4), np.float32), "TIFF"),
        "Its pixels are floating-point numbers, not grey levels.",
    ),
    "a picture in no folder.png": (
        lambda _: encoded(NOISE, "PNG"),
        "It lies in no class folder, and no table names it.",
    ),
    f"a/{'x' * 300}.png": (
        lambda _: encoded(NOISE, "PNG"),
        "Its name is too long.",
    ),
    "a/a DICOM file that was cut off.dcm": (
        lambda folder: dicom(folder)[:-40],
        "The file is damaged or ends too early.",
    ),
    "a/a letter that calls itself DICOM.dcm": (
        lambda _: b"Dear colleague",
        "It does not begin as a DICOM file does.",
    ),
    "a/DICOM with several frames.dcm": (
        lambda folder: dicom(folder, np.zeros((3, 4, 4), np.uint8)),
        "It has 3 frames: pick one, counted from 1, or name it in a column “frame”.",
    ),
    "a/DICOM of 32 bits.dcm": (
        lambda folder: dicom(folder, np.zeros((4, 4), np.uint32)),
        "It has 32 bits a pixel, and 8 to 16 are read.",
    ),
    "a/a DICOM report.dcm": (
        lambda folder: dicom(folder, Modality="SR"),
        "It is a report, not an image.",
    ),
}

# ---- Rows of a table: what is wrong with the last one → what it is called, and why.
ROWS: dict[str, tuple[str, str]] = {
    "of a file that is missing": ("gone.png,a", "“gone.png” is not there."),
    "without a file": (",a", "No file_name."),
    "that leads out of the folder": ("../../etc/passwd,a", "“../../etc/passwd” is not there."),
}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    (tmp_path / "home").mkdir()
    opened = Door(tmp_path / "home")
    yield opened
    opened.close()


def _brought(door: Door, content: bytes | Files) -> Study | ImilError:
    archive = door.home / "films.zip"
    if isinstance(content, bytes):
        archive.write_bytes(content)
    else:
        zipped(archive, content)
    return door.bring(archive)


@pytest.mark.parametrize("what", WHOLE)
def test_it_is_refused_with_what_why_and_fix_and_nothing_is_left(door: Door, what: str) -> None:
    content, sentence = WHOLE[what]

    assert str(_brought(door, content)) == sentence


@pytest.mark.slow
def test_each_is_left_out_by_name_and_the_rest_is_read(door: Door) -> None:
    bad = {name: make(door.home.parent) for name, (make, _) in PARTS.items()}

    study = _brought(door, {**CLASSES, **bad})

    assert isinstance(study, Study)
    told = {skip.name: skip.reason for skip in study.report.skipped}
    assert told == {name: reason for name, (_, reason) in PARTS.items()}
    assert kept_pixels(study) == good_pixels(CLASSES)


def test_each_row_is_left_out_by_its_line_and_the_rest_is_read(door: Door) -> None:
    entries = labelled(rows(*(row for row, _ in ROWS.values()), "8.png,", "0.png,a"), films=9)

    study = _brought(door, entries)

    assert isinstance(study, Study)
    told = {skip.name: skip.reason for skip in study.report.skipped}
    assert told == {
        "8.png": "Its cell of “label” is empty or says that nothing is known.",
        **{f"metadata.csv, line {n}": why for n, (_, why) in enumerate(ROWS.values(), 10)},
    }
    assert len(study.images) == 8


# ---- Left out by name: what is wrong with an entry of the zip, however good its image → why.
ENTRIES = {
    "a/damaged.png": "It is damaged in the zip.",
    "b/encrypted.png": "It is encrypted in the zip, and needs a password.",
    "b/unusual.png": "It is compressed in the zip in an unusual way.",
}


def test_each_entry_that_cannot_be_read_is_left_out_and_the_rest_is_read(door: Door) -> None:
    raw = bytearray(packed({**CLASSES, **images(*ENTRIES)}, method=zipfile.ZIP_STORED))
    listed = {name: raw.rindex(name.encode()) - 46 for name in ENTRIES}
    raw[raw.index(b"a/damaged.png") + 80] ^= 1
    raw[listed["b/encrypted.png"] + 8] |= 1
    raw[listed["b/unusual.png"] + 10] = zipfile.ZIP_LZMA

    study = _brought(door, bytes(raw))

    assert isinstance(study, Study)
    assert {skip.name: skip.reason for skip in study.report.skipped} == ENTRIES
    assert kept_pixels(study) == good_pixels(CLASSES)


# ---- Read as the picture that it is; of what else it is, nothing is kept.
EVIL = b"<script>alert('PAYLOAD')</script>"
POLYGLOTS: dict[str, Callable[[Path], bytes]] = {
    "a/with a page behind it.png": lambda _: encoded(NOISE, "PNG") + EVIL,
    "a/with a zip behind it.png": lambda _: encoded(NOISE.T, "PNG") + packed({"x.html": EVIL}),
    "a/with a page in its comment.jpg": lambda _: encoded(NOISE, "JPEG", comment=EVIL),
    "a/with a page in its comment.gif": lambda _: encoded(NOISE, "GIF", comment=EVIL),
    "b/with a page before it.dcm": lambda folder: EVIL.ljust(128) + dicom(folder)[128:],
}


@pytest.mark.slow
def test_of_a_file_that_is_two_things_the_picture_alone_is_kept(door: Door) -> None:
    made = {name: make(door.home.parent) for name, make in POLYGLOTS.items()}

    study = _brought(door, {**CLASSES, **made})

    assert isinstance(study, Study)
    assert study.report.skipped == ()
    assert len(study.images) == len(CLASSES) + len(POLYGLOTS)
    kept = door.home / "work"
    assert len(list(kept.rglob("*.png"))) == len(study.images)
    assert found_in(kept, ["PAYLOAD"]) == []
