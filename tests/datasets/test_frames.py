"""Files of several pages, channels or slices, through the whole of reading a folder and a zip."""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.datasets.archive.inspect import inspect_archive, surveyed
from imil.datasets.archive.read import read_archive
from imil.datasets.choices import MIDDLE, Choices, parse_frame
from imil.datasets.files import volumes
from imil.datasets.files.dicom import RefusedError
from imil.datasets.files.volumes import read_slice, volume_frames
from imil.datasets.folder import read_folder
from imil.datasets.layout.layout import read_layout
from imil.datasets.listing import Listing, image_set
from imil.errors import DataError
from tests.standins.dicoms import write_dicom

OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>'
    '<Pixels SizeC="2" SizeZ="1" SizeT="1"><Channel Name="DAPI"/><Channel Name="G&amp;P"/></Pixels>'
    "</Image></OME>"
)


def _pages(file: Path, levels: list[int], description: str = "") -> None:
    pages = [Image.new("L", (8, 8), level) for level in levels]
    for number, page in enumerate(pages):
        page.putpixel((number, 0), 255 - levels[0])
    file.parent.mkdir(parents=True, exist_ok=True)
    options = {"description": description} if description else {}
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:], **options)


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Twelve wells of two channels, in two classes, each with a level of its own."""
    root = tmp_path / "wells"
    for number in range(12):
        _pages(
            root / "ab"[number % 2] / f"w{number:02}.ome.tif", [10 * number, 10 * number + 5], OME
        )
    return root


def _frame(written: str) -> Choices:
    return Choices(answers=(("frame", written),))


def _zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


def _corner(listing: Listing) -> list[int]:
    images, _ = image_set(listing)
    return [int(images.original(entry.sample_id)[-1, -1]) for entry in listing.entries]


def test_channels_are_asked_for_by_name_and_the_one_picked_is_read(
    cells: Path, tmp_path: Path
) -> None:
    archive = _zipped(cells)
    with pytest.raises(DataError, match="Which frame"):
        read_folder(cells)

    (asked,) = (q for q in inspect_archive(archive).questions if q.chosen is None)
    chosen = Choices(answers=(("frame", asked.choices[-1]),))
    listing = read_archive(archive, tmp_path / "study", choices=chosen)

    assert asked.id == "frame"
    assert asked.choices == ("middle", "none", "frame 1: DAPI", "frame 2: G&P")
    levels = sorted(_corner(listing))
    assert levels == [10 * number + 5 for number in range(12)]
    for written in ("2", "frame 2", MIDDLE):
        again = read_folder(cells, choices=Choices(answers=(("frame", written),)))
        assert sorted(_corner(again)) == levels
    assert sorted(_corner(read_folder(cells, choices=_frame("1")))) == [
        10 * number for number in range(12)
    ]


def test_the_preview_shows_the_frame_that_was_picked_and_none_before(cells: Path) -> None:
    archive = _zipped(cells)

    before = inspect_archive(archive)
    first, second = (
        inspect_archive(archive, Choices(answers=(("frame", number),))) for number in "12"
    )

    assert [each.pictures for each in before.previews] == [(), ()]
    assert len(first.previews[0].pictures) == 4
    assert first.previews[0].pictures != second.previews[0].pictures


def test_a_few_files_with_several_pages_are_left_out_and_told_with_the_way_out(
    tmp_path: Path,
) -> None:
    root = tmp_path / "films"
    draw = np.random.default_rng(0)
    for number in range(8):
        file = root / "ab"[number % 2] / f"f{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (8, 8), np.uint8)).save(file)
    _pages(root / "a" / "stack.tif", [1, 2, 3])
    frames = [Image.new("L", (8, 8), level) for level in (0, 99)]
    frames[0].save(root / "b" / "beat.gif", save_all=True, append_images=frames[1:])

    listing = read_folder(root)

    assert listing.report.taken == 8
    told = {skipped.name: skipped.reason for skipped in listing.report.skipped}
    assert told["a/stack.tif"].startswith("It has 3 frames: pick one, counted from 1")
    assert told["b/beat.gif"].startswith("It has 2 frames: pick one, counted from 1")
    third = read_folder(root, choices=_frame("3"))
    assert third.report.taken == 9
    assert [s.reason for s in third.report.skipped] == ["It has 2 frames, and no frame 3."]


def test_a_column_says_the_frame_of_each_file(cells: Path) -> None:
    names = sorted(file.relative_to(cells).as_posix() for file in cells.rglob("*.tif"))
    rows = [f"{name},{name[0]},{number % 2 + 1}" for number, name in enumerate(names)]
    (cells / "metadata.csv").write_text("\n".join(["file_name,label,frame", *rows]))

    listing = read_folder(cells)

    assert [level % 10 for level in _corner(listing)] == [0, 5] * 6


@pytest.mark.parametrize(
    ("written", "frame"),
    [
        ("2", 2),
        ("frame 12", 12),
        ("Frame 3: a: b", 3),
        ("middle", MIDDLE),
        ("none", None),
        ("", None),
    ],
)
def test_a_frame_is_written_as_a_number_or_as_the_middle(written: str, frame: object) -> None:
    assert parse_frame(written) == frame


# ---- DICOM -----------------------------------------------------------------------------------


@pytest.fixture
def heart(tmp_path: Path) -> Path:
    """Eight DICOM files of three frames and one of one, in two classes."""
    root = tmp_path / "heart"
    for number in range(8):
        frames = np.stack([np.full((4, 4), 10 * number + k, np.uint8) for k in (1, 2, 3)])
        frames[:, 0, 0] = 255
        write_dicom(root / "ab"[number % 2] / f"{number}.dcm", frames, PatientID=f"P{number}")
    single = np.full((4, 4), 99, np.uint8)
    single[0, 0] = 0
    write_dicom(root / "a" / "one.dcm", single, PatientID="P9")
    return root


@pytest.mark.slow
def test_frames_of_dicom_files_are_asked_for_once_and_read_as_answered(
    heart: Path, tmp_path: Path
) -> None:
    archive = _zipped(heart)
    with pytest.raises(DataError, match="Which frame"):
        read_folder(heart, made=tmp_path / "made")

    (asked,) = inspect_archive(archive).questions[-1:]
    middle = read_archive(archive, tmp_path / "study", choices=_frame(MIDDLE))
    first, third = (
        read_folder(heart, choices=_frame(written), made=tmp_path / "made") for written in "13"
    )

    assert (asked.id, asked.chosen) == ("frame", None)
    assert asked.choices == ("middle", "none", "frame 1", "frame 2", "frame 3")
    for listing, shown in ((first, 1), (middle, 2), (third, 3)):
        assert sorted(_corner(listing)) == [*(10 * number + shown for number in range(8)), 99]
    previews = inspect_archive(archive, _frame("3")).previews
    assert [len(each.pictures) for each in previews] == [4, 4]


@pytest.mark.slow
def test_of_many_dicom_files_a_few_tell_the_preview_that_frames_are_asked_for(heart: Path) -> None:
    with surveyed(_zipped(heart), Choices(), headers=3) as found:
        reading = read_layout(found.listed)

    assert [question.id for question in reading.open] == ["frame"]


def test_a_frame_that_was_answered_is_no_error_where_files_have_one(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for number in range(4):
        file = tmp_path / "d" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (8, 8), np.uint8)).save(file)

    assert read_folder(tmp_path / "d", choices=_frame("2")).report.taken == 4


@pytest.mark.parametrize("frame", [None, 2, MIDDLE])
def test_saved_choices_of_pixels_are_read_again(frame: int | str | None) -> None:
    chosen = Choices(answers=() if frame is None else (("frame", str(frame)),), preset=0)

    assert chosen.pixels == {"frame": frame, "preset": 0, "black_corners": False}
    assert Choices.of_pixels(chosen.pixels) == chosen


# ---- volumes ---------------------------------------------------------------------------------


def _volume(
    voxels: np.ndarray, *, affine: np.ndarray | None = None, slope: float = 1, offset: float = 352
) -> bytes:
    """Return a NIfTI-1 file, written by hand from the standard."""
    header = bytearray(352)
    codes = {"uint8": 2, "int16": 4, "float32": 16, "float64": 64, "complex64": 32}
    dims = [voxels.ndim, *voxels.shape, *[1] * (7 - voxels.ndim)]
    header[0:4] = np.int32(348).tobytes()
    header[40:56] = np.array(dims, "<i2").tobytes()
    header[70:72] = np.int16(codes[voxels.dtype.name]).tobytes()
    header[72:74] = np.int16(8 * voxels.dtype.itemsize).tobytes()
    header[76:108] = np.ones(8, "<f4").tobytes()
    header[108:120] = np.array([offset, slope, 0], "<f4").tobytes()
    header[254:256] = np.int16(1).tobytes()
    matrix = np.eye(4) if affine is None else affine
    header[280:328] = matrix[:3].astype("<f4").tobytes()
    header[344:348] = b"n+1\0"
    return bytes(header) + voxels.tobytes(order="F")


def _cube(kind: type = np.uint8) -> np.ndarray:
    """Return voxels whose level says where they are: 100 up, 10 forward, 1 to the right."""
    right, front, up = np.meshgrid(range(4), range(3), range(2), indexing="ij")
    return np.asarray(100 * up + 10 * front + right, kind)


SEEN = [[23, 22, 21, 20], [13, 12, 11, 10], [3, 2, 1, 0]]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("turned", ["as it is", "feet last", "along another axis"])
def test_a_slice_is_seen_from_the_feet_with_the_front_above(
    tmp_path: Path, turned: str, packed: bool
) -> None:
    pytest.importorskip("nibabel")
    voxels, affine = _cube(), np.eye(4)
    if turned == "feet last":
        voxels, affine = voxels[:, :, ::-1], np.diag([1.0, 1, -1, 1])
    if turned == "along another axis":
        voxels, affine = voxels.transpose(2, 0, 1), np.eye(4)[[1, 2, 0, 3]]
    content = _volume(voxels, affine=affine)
    file = tmp_path / ("v.nii.gz" if packed else "v.nii")
    file.write_bytes(gzip.compress(content) if packed else content)

    lowest, highest = read_slice(file, 1), read_slice(file, 2)

    assert volume_frames(file.read_bytes()).count == 2
    assert lowest.tolist() == SEEN
    assert highest.tolist() == (np.array(SEEN) + 100).tolist()
    assert lowest.dtype == np.uint8
    with pytest.raises(RefusedError, match="no slice 3"):
        read_slice(file, 3)


def test_levels_of_a_volume_are_scaled_as_those_of_dicom_without_a_window(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    signed = (_cube(np.int16) - 5, 1.0, np.array(SEEN) - 5 + 2**15)
    spread = (_cube(np.float32), 0.01, np.round(np.array(SEEN) / 23 * 65535))
    gaps = _cube(np.float32)
    gaps[3, 2, 0] = np.nan
    dark = np.array(SEEN)
    dark[0, 0] = 0
    for voxels, slope, seen in (signed, spread, (gaps, 1.0, dark)):
        file = tmp_path / "v.nii"
        file.write_bytes(_volume(voxels, slope=slope))

        found = read_slice(file, 1)

        assert found.dtype == np.uint16
        assert np.abs(found.astype(int) - seen).max() <= 1


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Eight scans of four slices in two classes, packed and not."""
    root = tmp_path / "scans"
    draw = np.random.default_rng(0)
    for number in range(8):
        voxels = draw.integers(0, 200, (9, 9, 4), np.uint8)
        voxels[:, :, 2] = 10 * number
        voxels[4, 4, 2] = 255
        content = _volume(voxels)
        name = f"s{number}.nii.gz" if number % 4 else f"s{number}.nii"
        file = root / ("sick" if number % 2 else "well") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(content) if number % 4 else content)
    return root


def test_the_middle_slice_of_volumes_is_offered_and_read(scans: Path, tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    archive = _zipped(scans)

    look = inspect_archive(archive)
    middle = Choices(answers=(("frame", "middle"),))
    listing = read_archive(archive, tmp_path / "study", choices=middle)

    (asked,) = (q for q in look.questions if q.chosen is None)
    assert asked.choices[0] == "middle"
    assert sorted(_corner(listing)) == [10 * number for number in range(8)]
    assert middle.pixels["frame"] == "middle"
    shown = inspect_archive(archive, middle).previews
    assert [len(each.pictures) for each in shown] == [4, 4]


def test_without_nibabel_volumes_are_left_out_and_the_extra_is_named(
    scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    Image.linear_gradient("L").save(scans / "well" / "a.png")
    for number in range(5):
        _pages(scans / "sick" / f"b{number}.tif", [number])
        _pages(scans / "well" / f"b{number}.tif", [number + 9])

    listing = read_folder(scans)

    told = {skipped.name: skipped.reason for skipped in listing.report.skipped}
    assert listing.report.taken == 11
    assert len(told) == 8
    assert all('pip install "nibabel' in reason for reason in told.values())


def _hostile() -> dict[str, bytes]:
    huge = bytearray(_volume(_cube()))
    huge[40:56] = np.array([3, 30_000, 30_000, 30_000, 1, 1, 1, 1], "<i2").tobytes()
    negative = bytearray(_volume(_cube()))
    negative[42:44] = np.int16(-4).tobytes()
    far = _volume(_cube(), offset=float("nan"))
    return {
        "huge": bytes(huge),
        "a huge one, packed": gzip.compress(bytes(huge)),
        "a negative side": bytes(negative),
        "an offset that is no number": far,
        "a series": _volume(np.zeros((3, 3, 3, 5), np.uint8)),
        "complex numbers": _volume(np.zeros((3, 3, 3), np.complex64)),
        "cut off": _volume(_cube())[:360],
        "packed and cut off": gzip.compress(_volume(np.random.default_rng(0).integers(
            0, 255, (64, 64, 4), np.uint8)))[:4000],
        "empty": b"",
        "text": b"<html>",
        "a header alone": _volume(_cube())[:300],
    }  # fmt: skip


@pytest.mark.parametrize("kind", _hostile())
def test_a_hostile_volume_is_left_out_and_nothing_is_written(
    scans: Path, tmp_path: Path, kind: str
) -> None:
    pytest.importorskip("nibabel")
    (scans / "sick" / "evil.nii").write_bytes(_hostile()[kind])

    listing = read_folder(scans, choices=_frame(MIDDLE), made=tmp_path / "made")

    assert listing.report.taken == 8
    assert [skipped.name for skipped in listing.report.skipped] == ["sick/evil.nii"]
    assert len(list((tmp_path / "made").iterdir())) == 8


def test_a_packed_volume_is_never_in_memory_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nibabel")
    import tracemalloc  # noqa: PLC0415

    voxels = np.zeros((256, 256, 600), np.uint8)
    voxels[..., -1] = 3
    file = tmp_path / "v.nii.gz"
    file.write_bytes(gzip.compress(_volume(voxels), 1))
    del voxels
    tracemalloc.start()

    assert read_slice(file, 600).max() == 3
    assert tracemalloc.get_traced_memory()[1] < 12 * 2**20
    tracemalloc.stop()
    monkeypatch.setattr(volumes, "MAX_VOLUME_BYTES", 2**20)
    assert "more than" in volume_frames(file.read_bytes()[:4096]).refused
