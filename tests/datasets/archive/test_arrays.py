"""Image sets in arrays of numpy: by themselves, and inside a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imil.core.records import Split
from imil.datasets.archive import arrays as module
from imil.datasets.archive.inspect import inspect_archive, read_zip_layout
from imil.datasets.archive.read import read_archive
from imil.datasets.choices import Choices
from imil.datasets.listing import image_set
from imil.errors import DataError

Arrays = dict[str, np.ndarray]


def _films(*, colour: bool = False) -> Arrays:
    draw = np.random.default_rng(0)
    made: Arrays = {}
    for split, count in (("train", 20), ("val", 8), ("test", 8)):
        shape = (count, 9, 7, 3) if colour else (count, 9, 7)
        made[f"{split}_images"] = draw.integers(0, 255, shape, np.uint8)
        made[f"{split}_labels"] = np.arange(count)[:, None] % 2 * 3
    return made


def _saved(folder: Path, arrays: Arrays, *, packed: bool = True) -> Path:
    file = folder / "films.npz"
    (np.savez_compressed if packed else np.savez)(file, **arrays)  # type: ignore[arg-type]
    return file


def _inside(file: Path, **others: bytes) -> Path:
    with zipfile.ZipFile(file.with_suffix(".zip"), "w") as zipped:
        zipped.write(file, f"data/{file.name}")
        for name, content in others.items():
            zipped.writestr(name, content)
    return file.with_suffix(".zip")


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_each_row_is_an_image_with_its_label_and_split(
    tmp_path: Path, colour: bool, packed: bool, inside: bool
) -> None:
    arrays = _films(colour=colour)
    file = _saved(tmp_path, arrays, packed=packed)
    archive = _inside(file, readme=b"x") if inside else file

    listing = read_archive(archive, tmp_path / "study")

    images, _ = image_set(listing)
    assert listing.classes == ("0", "3")
    assert len(listing.entries) == 36
    for entry in listing.entries:
        word, number = entry.sample_id.removesuffix(".png").split("/")
        row = int(number)
        assert images.original(entry.sample_id).tolist() == arrays[f"{word}_images"][row].tolist()
        assert entry.label == str(arrays[f"{word}_labels"][row, 0])
        assert entry.split == {"val": Split.VALIDATION}.get(word, word)


def test_the_look_names_the_same_images_and_shows_some(tmp_path: Path) -> None:
    file = _saved(tmp_path, _films())

    look = inspect_archive(_inside(file))
    reading, _ = read_zip_layout(file, Choices())
    listing = read_archive(file, tmp_path / "study")

    assert not reading.open
    assert [(i.file, i.label, i.split) for i in reading.images] == [
        (e.sample_id, e.label, e.split) for e in listing.entries
    ]
    assert reading.images[0].file == "test/000000.png"
    assert look.classes == {"0": 18, "3": 18}
    assert [len(each.pictures) for each in look.previews] == [4, 4]
    assert look.previews[0].splits == {"train": 10, "validation": 4, "test": 4}


def test_other_names_of_splits_images_and_labels_are_known(tmp_path: Path) -> None:
    films = _films()
    arrays = {
        "x_train": films["train_images"],
        "y_train": films["train_labels"][:, 0].astype(np.uint8),
        "x_test": films["test_images"],
        "y_test": films["test_labels"][:, 0] > 0,
        "notes": np.arange(5),
    }

    reading, _ = read_zip_layout(_saved(tmp_path, arrays), Choices())

    assert {(i.split, i.label) for i in reading.images} == {
        (split, label) for split, labels in (("train", "03"), ("test", "01")) for label in labels
    }


def _header(shape: tuple[int, ...], descr: str = "|u1", *, values: bytes = b"") -> bytes:
    file = io.BytesIO()
    told = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, told)
    return file.getvalue() + values


def _evil() -> dict[str, dict[str, bytes]]:
    objects = io.BytesIO()
    np.save(objects, np.array([{}, {}], object), allow_pickle=True)
    whole = io.BytesIO()
    np.save(whole, np.zeros((4, 5, 5), np.uint8))
    labels = io.BytesIO()
    np.save(labels, np.arange(4))
    good = {"train_images.npy": whole.getvalue(), "train_labels.npy": labels.getvalue()}
    huge = _header((10**9, 10**5, 10**5))
    deep = b"\x93NUMPY\x01\x00\x90\x01" + b"(" * 0x190
    images = {
        "huge": huge,
        "negative": _header((-1, 5, 5)),
        "objects": objects.getvalue(),
        "cut off": whole.getvalue()[:-1],
        "longer": whole.getvalue() + b"x",
        "floats": _header((4, 5, 5), "<f4", values=bytes(400)),
        "flat": _header((4, 25), values=bytes(100)),
        "five channels": _header((4, 5, 1, 5), values=bytes(100)),
        "nested": deep,
        "empty": b"",
        "text": b"<html>",
        "code": b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').getcwd()".ljust(31) + b"\n",
        "no image": _header((0, 5, 5)),
        "another count": _header((3, 5, 5), values=bytes(75)),
    }
    labelled = {
        "objects as labels": objects.getvalue(),
        "several labels": _header((4, 14), values=bytes(56)),
        "texts as labels": _header((4,), "<U1", values=bytes(16)),
        "labels of a huge count": _header((10**12,), "<i8"),
    }
    return {kind: {**good, "train_images.npy": each} for kind, each in images.items()} | {
        kind: {**good, "train_labels.npy": each} for kind, each in labelled.items()
    }


@pytest.mark.parametrize("kind", _evil())
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("door", ["look", "read"])
def test_hostile_arrays_are_refused_and_nothing_is_written(
    tmp_path: Path, kind: str, inside: bool, door: str
) -> None:
    file = tmp_path / "evil.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in _evil()[kind].items():
            zipped.writestr(name, content)
    archive = _inside(file) if inside else file
    before = sorted(tmp_path.iterdir())
    doors: dict[str, Callable[[], object]] = {
        "look": lambda: inspect_archive(archive),
        "read": lambda: read_archive(archive, tmp_path / "study"),
    }

    with pytest.raises(DataError) as refused:
        doors[door]()

    assert "numpy" in refused.value.fix or "uint8" in refused.value.fix
    assert sorted(tmp_path.iterdir()) == before


def test_too_many_images_and_bytes_are_refused_from_the_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _saved(tmp_path, _films())

    for name, bound in (("MAX_FILES", 60), ("MAX_UNPACKED_BYTES", 1000), ("MAX_INNER_BYTES", 100)):
        with monkeypatch.context() as bounded:
            bounded.setattr(module, name, bound)
            with pytest.raises(DataError, match="is too large"):
                read_archive(_inside(file), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_damaged_array_is_met_and_nothing_is_left(tmp_path: Path) -> None:
    file = _saved(tmp_path, _films(), packed=False)
    raw = bytearray(file.read_bytes())
    raw[raw.index(_films()["val_images"].tobytes()) + 5] ^= 1
    file.write_bytes(raw)

    with pytest.raises(DataError, match="damaged"):
        read_archive(file, tmp_path / "study")

    assert sorted(tmp_path.iterdir()) == [file]


def test_a_file_of_arrays_beside_images_is_no_image_set(tmp_path: Path) -> None:
    file = _saved(tmp_path, {"features": np.zeros((3, 4))})

    with pytest.raises(DataError, match="No images found"):
        read_archive(file, tmp_path / "study")
    with pytest.raises(DataError, match="is no image set"):
        read_archive(_inside(file), tmp_path / "study")
