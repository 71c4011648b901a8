from __future__ import annotations

import errno
import io
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.datasets.archive.entries import Limits
from imil.datasets.archive.read import opened, read_archive, unpack
from imil.datasets.choices import Choices
from imil.datasets.listing import Skipped
from imil.errors import DataError, StoreError


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
    assert (len(report.names), report.inflated_bytes, report.skipped) == (3, 8, ())
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
        Skipped(
            "r.txt",
            "By its name it is not a PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI image.",
        ),
    )


def test_a_zip_that_is_no_study_leaves_nothing(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"films/1.png": _image(1), "films/2.png": _image(2)})

    with pytest.raises(DataError, match="There are 2 images in one folder, and no table"):
        read_archive(archive, tmp_path / "study")

    assert list(tmp_path.iterdir()) == [archive]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    _refused(tmp_path / "gone.zip", r"There is no file “gone\.zip”\..*Check the zip's path")


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-30],
        lambda raw: raw.replace(b"PK\x01\x02", b"PK\x01\x03", 1),
        lambda raw: b"\x00" + raw,
    ],
    ids=["cut off", "its list is damaged", "something stands before it"],
)
def test_a_broken_zip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    archive = _zip(tmp_path, {f"a/{n}.png": _image(n) for n in range(9)})
    archive.write_bytes(damage(archive.read_bytes()))

    _refused(
        archive,
        r"“films\.zip” can't be unpacked\. The file is damaged, incomplete, or not a zip\.",
    )


@pytest.mark.parametrize(
    "name",
    [
        "a/../../evil.txt",
        "a/..",
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

    _refused(archive, r"Its file “a\.txt” can't be read: It is damaged in the zip\.")


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
        opened(archive),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_failures_of_the_system_are_not_hidden(tmp_path: Path) -> None:
    archive = _zip(tmp_path, {"a.txt": b"x"})

    with pytest.raises(PermissionError), opened(archive):
        raise PermissionError(errno.EACCES, "Permission denied")


# ---- entries that can't be read -----------------------------------------------------------------

FILES = {f"a/{number}.txt": bytes([number]) * 40 + str(number).encode() for number in range(4)}


def _stored(folder: Path, entries: dict[str, bytes] = FILES, *, method: int = 0) -> Path:
    file = folder / "films.zip"
    with zipfile.ZipFile(file, "w", method) as zipped:
        for name, content in entries.items():
            zipped.writestr(name, content)
    return file


def _change(archive: Path, at: int, removed: int, added: bytes) -> None:
    raw = archive.read_bytes()
    archive.write_bytes(raw[:at] + added + raw[at + removed :])


def _data(archive: Path, name: str) -> int:
    """Return where the bytes of an entry begin in the zip."""
    with zipfile.ZipFile(archive) as zipped:
        return zipped.getinfo(name).header_offset + 30 + len(name.encode())


def _flag(archive: Path, name: str, *, at: int, value: int) -> None:
    """Change a byte of what the zip's list says of an entry, which has 46 and then the name."""
    listed = archive.read_bytes().rindex(name.encode()) - 46
    _change(archive, listed + at, 1, bytes([value]))


def _bad_checksum(archive: Path) -> None:
    _change(archive, _data(archive, "a/1.txt") + 5, 1, b"?")


def _bad_stream(archive: Path) -> None:
    _change(archive, _data(archive, "a/1.txt"), 4, b"\xff" * 4)


def _bad_header(archive: Path) -> None:
    _change(archive, _data(archive, "a/1.txt") - 37, 2, b"??")


def _other_name(archive: Path) -> None:
    _change(archive, _data(archive, "a/1.txt") - 3, 1, b"_")


def _points_nowhere(archive: Path) -> None:
    _flag(archive, "a/1.txt", at=45, value=127)


def _bytes_lost(archive: Path) -> None:
    _change(archive, _data(archive, "a/1.txt") + 3, 2, b"")


def _bytes_gained(archive: Path) -> None:
    _change(archive, _data(archive, "a/1.txt") + 3, 0, b"x" * 70)


def _encrypted(archive: Path) -> None:
    _flag(archive, "a/1.txt", at=8, value=1)


def _unusual(archive: Path) -> None:
    _flag(archive, "a/1.txt", at=10, value=14)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_bad_checksum, "It is damaged in the zip."),
        (_bad_stream, "It is damaged in the zip."),
        (_bad_header, "It is damaged in the zip."),
        (_other_name, "It is damaged in the zip."),
        (_points_nowhere, "It is damaged in the zip."),
        (_bytes_lost, "It is damaged in the zip."),
        (_bytes_gained, "It is damaged in the zip."),
        (_encrypted, "It is encrypted in the zip, and needs a password."),
        (_unusual, "It is compressed in the zip in an unusual way."),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_entry_that_cannot_be_read_is_told_and_each_other_one_is_unpacked(
    tmp_path: Path, damage: Callable[[Path], None], reason: str, method: int
) -> None:
    archive = _stored(tmp_path, method=method)
    damage(archive)

    report = unpack(archive, tmp_path / "study")

    good = {name: content for name, content in FILES.items() if name != "a/1.txt"}
    assert _files(tmp_path / "study") == good
    assert report.skipped == report.lost == (Skipped("a/1.txt", reason),)
    assert (len(report.names), report.inflated_bytes) == (3, 123)


def test_a_zip_whose_end_says_wrong_where_it_begins_is_read(tmp_path: Path) -> None:
    archive = _stored(tmp_path)
    _change(archive, archive.stat().st_size - 6, 4, b"\xff\xff\xff\x00")

    assert unpack(archive, tmp_path / "study").skipped == ()
    assert _files(tmp_path / "study") == FILES


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_bad_checksum, r"can't be unpacked\. Its file “a/1\.txt” can't be read: It is damaged in"),
        (_encrypted, r"needs a password\. Its file “a/1\.txt” is encrypted\. Make the zip again"),
        (_unusual, r"can't be unpacked\. Its file “a/1\.txt” is compressed in an unusual way\."),
    ],
)
def test_a_zip_of_which_nothing_can_be_read_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], told: str
) -> None:
    archive = _stored(tmp_path, {"a/1.txt": FILES["a/1.txt"]})
    damage(archive)

    _refused(archive, told)


def test_many_files_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    archive = _stored(tmp_path, {name: FILES[name] for name in ("a/1.txt", "a/2.txt")})
    _bad_checksum(archive)
    _flag(archive, "a/2.txt", at=8, value=1)

    _refused(archive, r"None of its 2 files can be read, “a/1\.txt” among them: It is damaged in")


def test_what_has_to_be_whole_is_refused_for_one_entry(tmp_path: Path) -> None:
    archive = _stored(tmp_path)
    _bad_checksum(archive)

    with pytest.raises(DataError, match=r"Its file “a/1\.txt” can't be read: It is damaged in the"):
        unpack(archive, tmp_path / "study", whole=True)

    assert list(tmp_path.iterdir()) == [archive]


def test_what_a_damaged_entry_inflates_to_counts_for_the_limits(tmp_path: Path) -> None:
    archive = _stored(tmp_path, {f"{n}.txt": bytes(2**20) for n in range(9)})
    for number in range(8):
        _change(archive, _data(archive, f"{number}.txt") + 5, 1, b"?")

    _refused(
        archive, "It inflates to more than 0.00488 GB", limits=Limits(inflated_bytes=5 * 2**20)
    )


def _broken_study(folder: Path, entries: dict[str, bytes], *broken: str) -> Path:
    archive = _stored(folder, entries)
    for name in broken:
        _change(archive, _data(archive, name) + 2, 1, b"?")
    return archive


def test_a_damaged_image_of_a_study_is_listed_and_the_others_are_taken(tmp_path: Path) -> None:
    archive = _broken_study(tmp_path, _study(), "films/sick/2.png")

    listing = read_archive(archive, tmp_path / "study")

    assert listing.report.taken == 7
    assert listing.report.skipped == (Skipped("sick/2.png", "It is damaged in the zip."),)


def test_a_refusal_tells_which_files_of_the_zip_could_not_be_read(tmp_path: Path) -> None:
    sick = [name for name in _study() if "sick" in name]
    archive = _broken_study(tmp_path, {**_study(), "films/odd/1.png": b"x"}, *sick)

    told = r"4 files of the zip can't be read, “films/sick/0\.png” among them: It is damaged in"
    with pytest.raises(DataError, match=rf"No labels found\..*{told}"):
        read_archive(archive, tmp_path / "study")

    assert list(tmp_path.iterdir()) == [archive]


def test_a_test_set_of_which_nothing_can_be_read_is_not_made_anew(tmp_path: Path) -> None:
    entries = {f"train/{name}": content for name, content in _study().items()}
    archive = _broken_study(tmp_path, {**entries, "test/sick/1.png": _image(1)}, "test/sick/1.png")

    with pytest.raises(DataError, match=r"The test set is empty.*“test/sick/1\.png” can't be read"):
        read_archive(archive, tmp_path / "study")


# ---- tables that can't be read ------------------------------------------------------------------

_ROWS = "\n".join(["file_name,label", *(f"{n}.png,{'ab'[n % 2]}" for n in range(8))]).encode()
_FILMS = {f"{n}.png": _image(n) for n in range(8)}
_NO_TABLE = (
    r"The table “{}” in “films\.zip” can't be read\. It is damaged in the zip\. Without it labels, "
    r"patients and splits would be guessed\. Make the zip again, without a password, or bring the"
)


@pytest.mark.parametrize("name", ["metadata.csv", "labels.csv", "labels.xlsx"])
@pytest.mark.parametrize("films", [_FILMS, _study()], ids=["alone", "with class folders"])
def test_a_damaged_table_is_not_made_up_for_by_guesses(
    tmp_path: Path, name: str, films: dict[str, bytes]
) -> None:
    archive = _broken_study(tmp_path, {**films, name: _ROWS}, name)

    with pytest.raises(DataError, match=_NO_TABLE.format(name)):
        read_archive(archive, tmp_path / "study")

    assert list(tmp_path.iterdir()) == [archive]


def test_a_damaged_table_is_not_missed_where_another_one_is_read(tmp_path: Path) -> None:
    entries = {**_FILMS, "metadata.csv": _ROWS, "more.csv": _ROWS}
    archive = _broken_study(tmp_path, entries, "more.csv")

    report = read_archive(archive, tmp_path / "study").report

    assert report.taken == 8
    assert report.skipped == (Skipped("more.csv", "It is damaged in the zip."),)


def test_a_table_that_is_picked_is_all_that_is_needed(tmp_path: Path) -> None:
    entries = {**_FILMS, "metadata.csv": _ROWS, "own.csv": _ROWS}
    archive = _broken_study(tmp_path, entries, "metadata.csv")
    beside = tmp_path / "beside.csv"
    beside.write_bytes(_ROWS)

    inside = read_archive(archive, tmp_path / "1", choices=Choices(answers=(("table", "own.csv"),)))
    outside = read_archive(archive, tmp_path / "2", choices=Choices(table_file=beside))
    with pytest.raises(DataError, match=_NO_TABLE.format("metadata.csv")):
        read_archive(archive, tmp_path / "3", choices=Choices(answers=(("table", "metadata.csv"),)))

    assert inside.report.taken == outside.report.taken == 8
