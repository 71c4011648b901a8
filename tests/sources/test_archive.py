from __future__ import annotations

import errno
import io
import stat
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.errors import DataError, StoreError
from imil.sources.archive import Limits, _opened, read_archive, unpack
from imil.sources.listing import Skipped


def _zip(folder: Path, entries: dict[str, bytes], *, name: str = "films.zip") -> Path:
    file = folder / name
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for entry, content in entries.items():
            zipped.writestr(entry, content)
    return file


def _image(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 6), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def _study() -> dict[str, bytes]:
    return {
        f"films/{label}/{number}.png": _image(number)
        for label in ("healthy", "sick")
        for number in range(4)
    }


def _files(folder: Path) -> dict[str, bytes]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def _refused(archive: Path, match: str, *, limits: Limits | None = None) -> None:
    """Check that the archive is refused, and that nothing is left of it."""
    into = archive.parent / "study"
    before = sorted(archive.parent.rglob("*"))

    with pytest.raises(DataError, match=match):
        unpack(archive, into, limits=limits)

    assert sorted(archive.parent.rglob("*")) == before


def test_a_zip_becomes_a_folder_of_the_same_files(tmp_path: Path) -> None:
    entries = {"a/1.txt": b"one", "a/b/2.txt": b"", "ä.txt": b"three"}

    report = unpack(_zip(tmp_path, entries), tmp_path / "new" / "study")

    assert _files(tmp_path / "new" / "study") == entries
    assert (report.files, report.inflated_bytes, report.skipped) == (3, 8, ())
    assert [folder.name for folder in (tmp_path / "new").iterdir()] == ["study"]


def test_an_empty_folder_may_be_unpacked_into_and_a_full_one_not(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"1.txt": b"one"})
    (tmp_path / "study").mkdir()

    unpack(archive, tmp_path / "study")

    with pytest.raises(ValueError, match="is not empty"):
        unpack(archive, tmp_path / "study")


def test_a_zipped_study_is_listed(tmp_path: Path) -> None:
    entries = {**_study(), "__MACOSX/films/._1.png": b"x", "films/more.zip": b"PK", "r.txt": b"x"}

    listing = read_archive(_zip(tmp_path, entries), tmp_path / "study", positive="sick")

    assert listing.name == "films"
    assert listing.root == tmp_path / "study" / "films"
    assert listing.report.taken == 8
    assert listing.report.skipped == (
        Skipped("films/more.zip", "An archive inside the zip is not unpacked."),
        Skipped("r.txt", "By its name it is not a PNG, JPEG, TIFF, BMP, WebP or GIF image."),
    )


def test_a_zip_that_is_no_study_leaves_nothing(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"films/1.png": _image(1), "films/2.png": _image(2)})

    with pytest.raises(DataError, match="There are 2 images in one folder, and no metadata"):
        read_archive(archive, tmp_path / "study")

    assert list(tmp_path.iterdir()) == [archive]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    _refused(tmp_path / "gone.zip", r"There is no file “gone\.zip”\..*Check the zip's path")


def test_an_empty_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.zip").touch()

    _refused(tmp_path / "x.zip", r"“x\.zip” is empty\. It has 0 bytes.*Make the zip again")


@pytest.mark.parametrize("entries", [{}, {"only/a/folder/": b""}])
def test_a_zip_without_files_is_said(tmp_path: Path, entries: dict[str, bytes]) -> None:
    _refused(
        _zip(tmp_path, entries), r"“films\.zip” is empty\. The zip has no files\. Zip the folder"
    )


_DAMAGED = r"“films\.zip” can't be unpacked\. It is damaged, was cut off, or is no zip\. Make the"


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:60] + b"\xff\xff\xff\xff" + raw[64:],
        lambda _: b"not a zip",
        lambda raw: b"\x89PNG" + raw,
        lambda raw: raw[:-6] + b"\xff\xff\xff\x00" + raw[-2:],
    ],
    ids=["cut off", "damaged entry", "no zip", "polyglot", "points before its beginning"],
)
def test_a_broken_zip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    archive = _zip(tmp_path, {f"a/{n}.png": _image(n) for n in range(9)})
    archive.write_bytes(damage(archive.read_bytes()))

    _refused(archive, _DAMAGED)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "a/../../evil.txt",
        "a/..",
        ".. /evil.txt",
        "/etc/evil.txt",
        "..\\..\\evil.txt",
        "\\\\server\\evil.txt",
        "C:\\evil.txt",
        "c:evil.txt",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    archive = _zip(tmp_path, {"a/good.txt": b"x", name: b"evil"})

    _refused(
        archive,
        r"“films\.zip” was refused\. Its file “.*” would be written outside of the study's folder"
        r"\. Make the zip again",
    )


def test_a_name_cut_by_a_zero_byte_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"a/x.txt_.png": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"x.txt_.png", b"x.txt\0.png"))

    _refused(archive, r"Its file “a/x\.txt_\.png” would be written outside")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = tmp_path / "films.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        link = zipfile.ZipInfo("a/link.png")
        link.external_attr = (kind | 0o777) << 16
        zipped.writestr(link, "/etc/passwd")

    _refused(archive, r"Its entry “a/link\.png” is a link or a device.*Replace links by the files")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"a.txt": b"x"})
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(raw)

    _refused(archive, r"needs a password\. Its file “a\.txt” is encrypted\. .* without a password")


def test_an_unusual_compression_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "films.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as zipped:
        zipped.writestr("a.txt", "x")

    _refused(archive, r"Its file “a\.txt” is compressed in an unusual way\. Make the zip again")


def test_more_files_than_allowed_are_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {f"{n}.txt": b"" for n in range(4)})

    _refused(
        archive,
        r"“films\.zip” is too large\. It has 4 files, and 3 are allowed\. Bring fewer or smaller",
        limits=Limits(files=3),
    )


def test_a_zip_that_inflates_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {f"{n}.txt": bytes(3 * 2**20) for n in range(4)})

    _refused(
        archive, r"It inflates to more than 0\.00977 GB\.", limits=Limits(inflated_bytes=10 * 2**20)
    )


def test_a_header_that_lies_about_the_size_does_not_help_a_bomb(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"a.txt": bytes(3 * 2**20)})
    lie = (3 * 2**20).to_bytes(4, "little"), (10).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(*lie))

    _refused(archive, _DAMAGED)


def test_one_file_that_inflates_too_much_is_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"blank.png": bytes(3 * 2**20)})

    _refused(
        archive,
        r"Its file “blank\.png” inflates more than 200-fold, which no image does\.",
        limits=Limits(ratio_from_bytes=2**20),
    )


def test_a_small_blank_mask_may_inflate_a_thousandfold(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"blank.bmp": bytes(3 * 2**20)})

    assert unpack(archive, tmp_path / "study").inflated_bytes == 3 * 2**20


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_what_cannot_be_written_is_skipped_with_its_reason(tmp_path: Path) -> None:
    archive = tmp_path / "films.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        names = (
            "a/1.txt",
            "a/1.txt",
            "a",
            "in.ZIP",
            "in.tar",
            f"{'x' * 256}",
            "b/" * 600 + "c",
            ".",
        )
        for number, name in enumerate(names):
            zipped.writestr(name, str(number))

    report = unpack(archive, tmp_path / "study")

    assert _files(tmp_path / "study") == {"a/1.txt": b"0"}
    assert report.skipped == (
        Skipped("a/1.txt", "The zip has two files of this name; the first was taken."),
        Skipped("a", "The zip has a folder of the same name."),
        Skipped("in.ZIP", "An archive inside the zip is not unpacked."),
        Skipped("in.tar", "An archive inside the zip is not unpacked."),
        Skipped("x" * 256, "Its name is too long."),
        Skipped("b/" * 600 + "c", "Its name is too long."),
        Skipped("", "It has no name."),
    )


def test_names_are_made_sound(tmp_path: Path) -> None:
    entries = {"a\\b\\1.txt": b"1", "./c//2\n\u202e.txt": b"2", " d /3.txt": b"3"}
    entries[unicodedata.normalize("NFD", "ä.txt")] = b"4"

    unpack(_zip(tmp_path, entries), tmp_path / "study")

    assert _files(tmp_path / "study") == {
        "a/b/1.txt": b"1",
        "c/2__.txt": b"2",
        "d/3.txt": b"3",
        "ä.txt": b"4",
    }


def test_names_in_utf8_that_do_not_say_so_are_understood(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"??.txt": b"1", "?.txt": b"2"})
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(b"??.txt", "ä.txt".encode()).replace(b"?.txt", b"\x94.txt"))

    unpack(archive, tmp_path / "study")

    assert _files(tmp_path / "study") == {"ä.txt": b"1", "ö.txt": b"2"}


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"a.txt": b"x"})

    with (
        pytest.raises(StoreError, match=r"The disk is full\. Delete studies"),
        _opened(archive),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_failures_of_the_system_are_not_hidden(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"a.txt": b"x"})

    with pytest.raises(PermissionError), _opened(archive):
        raise PermissionError(errno.EACCES, "Permission denied")
