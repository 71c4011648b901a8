from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import data as pydicom_data
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imil.core.images import working_image
from imil.core.review.edits import Fill, fill_region
from imil.core.review.masks import apply_blackout
from imil.datasets.files.dicom import RefusedError, hashed, is_dicom, read_dicom, read_header
from tests.standins.dicoms import lookup, swapped, without_preamble, write_dicom

# Every file with DICOM's mark that the installed pydicom brings; nothing is downloaded.
CORPUS = sorted(
    file
    for file in Path(str(pydicom_data.__file__)).parent.rglob("*")
    if file.is_file() and is_dicom(file)
)
NO_PIXELS = "It has no pixels."
DEEP = "It has 32 bits a pixel, and 8 to 16 are read."
# Why files of the corpus are refused, by the beginnings of their names, the longest first.
REFUSED = {
    "IM0": NO_PIXELS,
    "chrJap": NO_PIXELS,
    "chrKorean": NO_PIXELS,
    "chrSQ": NO_PIXELS,
    "UN_seq": NO_PIXELS,
    "empty_charset": NO_PIXELS,
    "no_meta_group_length": NO_PIXELS,
    "priv_SQ": NO_PIXELS,
    **dict.fromkeys(
        ("fall", "hotiron", "hotmetal", "pet", "spring", "summer", "winter"), NO_PIXELS
    ),
    "DICOMDIR": "It is the directory of a disc, not an image.",
    "badVR": "It is a dose grid, not an image.",
    "rtdose": "It is a dose grid, not an image.",
    "rtplan": "It is a radiotherapy plan, not an image.",
    "ExplVR_BigEndNoMeta": "It is a radiotherapy plan, not an image.",
    "ExplVR_LitEndNoMeta": "It is a radiotherapy plan, not an image.",
    "rtstruct": "It is a set of contours, not an image.",
    "reportsi": "It is a report, not an image.",
    "test-SR": "It is a report, not an image.",
    "waveform": "It is an ECG, not an image.",
    "liver": "It is a segmentation, not an image.",
    "meta_missing": "It does not say how its pixels are stored (no transfer syntax).",
    "SC_rgb_rle_32bit": DEEP,
    "JPEG-lossy": "Its pixels can't be decoded here (JPEG Extended (Process 2 and 4)).",
    "JPGExtended": "Its pixels can't be decoded here (JPEG Extended (Process 2 and 4)).",
    "JPEG2000-embedded": "Its pixels can't be decoded here (JPEG 2000 Image Compression).",
}
# Damaged ones, which pydicom refuses in words of its own.
DAMAGED = {"MR_truncated.dcm", "nested_priv_SQ.dcm"}


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(file: Path) -> str | None:
    known = [start for start in REFUSED if file.name.startswith(start)]
    return REFUSED[max(known, key=len)] if known else None


def _by_pydicom(data: pydicom.Dataset) -> NDArray[np.float64]:
    """Return what pydicom's own functions make of a file, as shares of the full range."""
    raw = pixel_array(data, index=0)
    if data.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(raw, data).astype(np.float64) / 65_535
    if raw.ndim == 3:
        return np.asarray(raw / (2.0**data.BitsStored - 1))
    seen = apply_voi_lut(apply_modality_lut(raw, data), data).astype(np.float64)
    low, high = (
        (-(2.0 ** (data.BitsStored - 1)), 2.0 ** (data.BitsStored - 1) - 1)
        if data.PixelRepresentation
        else (0.0, 2.0**data.BitsStored - 1)
    )
    slope, intercept = data.get("RescaleSlope") or 1, data.get("RescaleIntercept") or 0
    low, high = low * slope + intercept, high * slope + intercept
    share = (seen - low) / (high - low)
    return (
        np.asarray(1 - share)
        if data.PhotometricInterpretation == "MONOCHROME1"
        else np.asarray(share)
    )


def _levels_by_pydicom(data: pydicom.Dataset) -> NDArray[np.float64] | None:
    """Return rescaled levels of a file that says nothing of how to see them; None if it does."""
    if data.get("WindowCenter") is not None or "VOILUTSequence" in data:
        return None
    if data.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
        return None
    return apply_modality_lut(pixel_array(data), data).astype(np.float64)


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) > 180


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_every_file_of_pydicom_is_read_right_or_refused_with_a_reason(file: Path) -> None:
    reason = _reason(file)
    if reason is not None:
        with pytest.raises(RefusedError) as refused:
            read_dicom(file)
        assert str(refused.value) == reason
        return
    if file.name in DAMAGED:
        with pytest.raises((ValueError, AttributeError)):
            read_dicom(file)
        return

    pixels = read_dicom(file)

    data = pydicom.dcmread(file)
    levels = _levels_by_pydicom(data)
    if levels is not None:
        lifted = 32_768 if levels.min() < 0 or (pixels.min() >= 32_768 > levels.max()) else 0
        assert np.array_equal(pixels, levels + lifted)
    else:
        top = np.iinfo(pixels.dtype).max
        assert np.abs(pixels / top - _by_pydicom(data)).max() < 1 / 250
    assert pixels.dtype == (np.uint16 if pixels.ndim == 2 and data.BitsStored > 8 else np.uint8)


def test_bits_between_8_and_16_are_kept(tmp_path: Path) -> None:
    pixels = np.array([[0, 1], [2000, 4095]], np.uint16)

    for bits in (10, 12, 14, 16):
        file = write_dicom(tmp_path / f"{bits}.dcm", np.minimum(pixels, 2**bits - 1), bits=bits)
        assert read_dicom(file).tolist() == np.minimum(pixels, 2**bits - 1).tolist()


def test_of_monochrome1_bright_is_bright(tmp_path: Path) -> None:
    kind: Any = {"PhotometricInterpretation": "MONOCHROME1"}
    eight = write_dicom(tmp_path / "8.dcm", np.array([[0, 55], [200, 255]], np.uint8), **kind)
    twelve = write_dicom(
        tmp_path / "12.dcm", np.array([[0, 5], [4000, 4095]], np.uint16), bits=12, **kind
    )
    signed = write_dicom(tmp_path / "s.dcm", np.array([[-9, 0], [7, 9]], np.int16), **kind)
    seen = write_dicom(
        tmp_path / "w.dcm",
        np.array([[0, 100], [200, 255]], np.uint8),
        WindowCenter=100.5,
        WindowWidth=201,
        **kind,
    )

    assert read_dicom(eight).tolist() == [[255, 200], [55, 0]]
    assert read_dicom(twelve).tolist() == [[4095, 4090], [95, 0]]
    assert np.diff(read_dicom(signed).ravel().astype(int)).tolist() == [-9, -7, -2]
    assert read_dicom(seen).tolist() == [[255, 127], [0, 0]]


def test_rescaled_levels_that_are_negative_are_lifted(tmp_path: Path) -> None:
    stored = np.array([[0, 24], [1024, 3000]], np.uint16)
    file = write_dicom(tmp_path / "ct.dcm", stored, bits=12, RescaleSlope=1, RescaleIntercept=-1024)

    assert read_dicom(file).tolist() == [[31744, 31768], [32768, 34744]]


def test_rescaled_levels_that_are_no_whole_numbers_are_spread_over_16_bits(tmp_path: Path) -> None:
    stored = np.array([[0, 1], [2, 4]], np.uint16)
    file = write_dicom(tmp_path / "pt.dcm", stored, RescaleSlope=0.3, RescaleIntercept=0)

    assert read_dicom(file).tolist() == [[0, 16384], [32768, 65535]]


def test_a_window_is_applied_at_full_depth_and_presets_are_picked(tmp_path: Path) -> None:
    levels = np.array([[0, 100, 200, 300]], np.uint16)
    file = write_dicom(
        tmp_path / "x.dcm", levels, WindowCenter=[100.5, 200.5], WindowWidth=[201, 401]
    )

    assert read_dicom(file).tolist() == [[0, 32768, 65535, 65535]]
    assert read_dicom(file, preset=2).tolist() == [[0, 16384, 32768, 49151]]
    assert read_dicom(file, preset=9).tolist() == read_dicom(file, preset=2).tolist()
    assert read_dicom(file, preset=0).tolist() == levels.tolist()


@pytest.mark.parametrize(
    ("kind", "width", "expected"),
    [
        ("SIGMOID", 100, [1179, 32768, 64356]),
        ("LINEAR_EXACT", 400, [16384, 32768, 49151]),
        ("LINEAR", 1, [0, 65535, 65535]),
    ],
)
def test_windows_of_every_kind(
    tmp_path: Path, kind: str, width: float, expected: list[int]
) -> None:
    levels = np.array([[100, 200, 300]], np.uint16)
    tags: Any = {"WindowCenter": 200, "WindowWidth": width, "VOILUTFunction": kind}

    assert read_dicom(write_dicom(tmp_path / "x.dcm", levels, **tags)).tolist() == [expected]


def test_a_window_without_width_is_as_none(tmp_path: Path) -> None:
    levels = np.array([[1, 2]], np.uint16)
    file = write_dicom(tmp_path / "x.dcm", levels, WindowCenter=1, WindowWidth=0)

    assert read_dicom(file).tolist() == [[1, 2]]


@pytest.mark.parametrize(("kind", "turned"), [("MONOCHROME2", False), ("MONOCHROME1", True)])
def test_a_window_is_of_rescaled_levels_also_where_they_fall(
    tmp_path: Path, kind: str, turned: bool
) -> None:
    tags: Any = {"RescaleSlope": -1, "RescaleIntercept": 300, "PhotometricInterpretation": kind}
    file = write_dicom(
        tmp_path / "x.dcm",
        np.array([[0, 100, 200, 300]], np.uint16),
        WindowCenter=150.5,
        WindowWidth=301,
        **tags,
    )

    expected = [65535, 43690, 21845, 0]
    assert read_dicom(file).tolist() == [expected[::-1] if turned else expected]


@pytest.mark.parametrize(
    ("kind", "tags", "expected"),
    [
        ("MONOCHROME2", {"PixelPaddingValue": -2000}, [[31768, 31768], [31869, 33268]]),
        ("MONOCHROME1", {"PixelPaddingValue": -2000}, [[32267, 33767], [33666, 32267]]),
        (
            "MONOCHROME2",
            {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1000},
            [[31869, 31869], [31869, 33268]],
        ),
        ("MONOCHROME2", {"PixelPaddingValue": -5}, [[30768, 31768], [31869, 33268]]),
    ],
    ids=["dark is dark", "dark is bright", "a range", "no such level"],
)
def test_padding_is_as_dark_as_the_darkest_of_the_image(
    tmp_path: Path, kind: str, tags: dict[str, Any], expected: list[list[int]]
) -> None:
    levels = np.array([[-2000, -1000], [-899, 500]], np.int16)
    file = write_dicom(tmp_path / "x.dcm", levels, PhotometricInterpretation=kind, **tags)

    assert read_dicom(file).tolist() == expected


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian]
)
@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_are_colour_in_whatever_order_bytes_are_written(
    tmp_path: Path, bits: int, syntax: UID
) -> None:
    stored = np.array([[0, 1, 2], [2, 9, 0]], np.uint8)
    top = 2**bits - 1
    tables = {"Red": [0, top, 0], "Green": [0, 0, top], "Blue": [top, 0, 0]}
    tags: dict[str, Any] = {}
    for colour, table in tables.items():
        content = np.array(table, f"<u{bits // 8}").tobytes() + bytes(3 % (17 - bits) % 2)
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [3, 0, bits]
        tags[f"{colour}PaletteColorLookupTableData"] = (
            content if syntax.is_little_endian else swapped(content)
        )
    file = write_dicom(
        tmp_path / "x.dcm", stored, syntax=syntax, PhotometricInterpretation="PALETTE COLOR", **tags
    )

    blue, red, green = [0, 0, 255], [255, 0, 0], [0, 255, 0]
    assert read_dicom(file).tolist() == [[blue, red, green], [green, green, blue]]


def test_lookup_tables_go_before_windows(tmp_path: Path) -> None:
    levels = np.array([[0, 1, 2, 3]], np.uint8)
    file = write_dicom(
        tmp_path / "x.dcm",
        levels,
        ModalityLUTSequence=[lookup([3, 2, 1, 0])],
        VOILUTSequence=[lookup([0, 10, 100, 1023], bits=10)],
        WindowCenter=1,
        WindowWidth=2,
    )

    assert read_dicom(file).tolist() == [[255, 25, 2, 0]]


def test_one_frame_of_several_is_picked(tmp_path: Path) -> None:
    frames = np.stack([np.full((2, 2), value, np.uint8) for value in (1, 2, 3)])
    file = write_dicom(tmp_path / "us.dcm", frames)

    assert read_dicom(file, frame=2).tolist() == [[2, 2], [2, 2]]
    assert read_header(file, salt="s").frames == 3
    for frame in (0, 4, -1):
        with pytest.raises(RefusedError, match=rf"^It has 3 frames, and no frame {frame}\.$"):
            read_dicom(file, frame=frame)


def test_colour_is_8_bits_deep(tmp_path: Path) -> None:
    deep = np.array([[[0, 256, 65_535]]], np.uint16)

    assert read_dicom(write_dicom(tmp_path / "x.dcm", deep)).tolist() == [[[0, 1, 255]]]


def test_too_many_pixels_are_not_decoded(tmp_path: Path) -> None:
    file = write_dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8), Rows=60_000, Columns=60_000)

    with pytest.raises(RefusedError, match=r"It has 60000 × 60000 pixels, and more than 80 mill"):
        read_dicom(file)


def test_floating_point_pixels_and_what_is_no_dicom_are_refused(tmp_path: Path) -> None:
    file = write_dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8))
    data = pydicom.dcmread(file)
    del data.PixelData
    data.FloatPixelData = bytes(16)
    data.save_as(file)
    (tmp_path / "y.dcm").write_bytes(b"DICM")

    with pytest.raises(RefusedError, match="floating-point numbers"):
        read_dicom(file)
    with pytest.raises(RefusedError, match="does not begin as a DICOM file"):
        read_header(tmp_path / "y.dcm", salt="s")
    assert not is_dicom(tmp_path / "gone")


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian]
)
def test_a_file_of_an_older_archive_without_its_mark_is_read(tmp_path: Path, syntax: UID) -> None:
    levels = np.array([[0, 1], [2000, 4095]], np.uint16)
    file = without_preamble(
        write_dicom(tmp_path / "x", levels, bits=12, syntax=syntax, PatientID="p")
    )

    assert is_dicom(file)
    assert read_header(file, salt="s").patient == hashed("p", "s")
    assert read_dicom(file).tolist() == levels.tolist()


def test_a_file_without_its_mark_that_says_how_it_is_stored_is_read_so(tmp_path: Path) -> None:
    levels = np.array([[0, 1], [2000, 4095]], np.uint16)
    file = without_preamble(
        write_dicom(tmp_path / "x", levels, syntax=ExplicitVRBigEndian), meta=True
    )

    assert read_dicom(file).tolist() == levels.tolist()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\x00\x05\x00CS\x0a\x00",
        b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + bytes(200),
        b"\x08\x00\x08\x00\x04\x00\x00\x00abcd\x08\x00\x05\x00" + bytes(200),
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"name,label\n" * 30,
        bytes(200),
    ],
)
def test_what_does_not_begin_as_dicom_is_not_taken_for_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)

    assert not is_dicom(tmp_path / "x")
    with pytest.raises(RefusedError, match="does not begin as a DICOM file"):
        read_header(tmp_path / "x", salt="s")


@pytest.mark.parametrize("patient", ["", "unknown", "NaN", "None", "n/a", "?", "-"])
def test_an_id_that_names_nobody_is_no_patient(tmp_path: Path, patient: str) -> None:
    file = write_dicom(tmp_path / "x.dcm", np.zeros((2, 2), np.uint8), PatientID=patient)

    assert read_header(file, salt="s").patient is None


def test_a_header_names_nobody(tmp_path: Path) -> None:
    file = write_dicom(
        tmp_path / "x.dcm",
        np.zeros((2, 2), np.uint8),
        PatientID=" Doe-1970 ",
        PatientName="Doe^Jane",
        StudyInstanceUID="1.2.3",
        SOPInstanceUID="1.2.3.4",
        BurnedInAnnotation="YES",
    )

    header = read_header(file, salt="pepper")

    assert header.patient == hashed("Doe-1970", "pepper")
    assert header.patient != read_header(file, salt="other").patient
    assert "Doe" not in str(header)
    assert header.study == hashed("1.2.3", "pepper")
    assert (header.uid, header.annotated) == ("1.2.3.4", True)


def _group(**sequences: dict[str, Any]) -> pydicom.Dataset:
    """Return a functional group: each sequence with one item of some tags."""
    group = pydicom.Dataset()
    for name, tags in sequences.items():
        item = pydicom.Dataset()
        for tag, value in tags.items():
            setattr(item, tag, value)
        setattr(group, name, [item])
    return group


def test_each_frame_of_an_enhanced_file_has_its_own_rescaling_and_window(tmp_path: Path) -> None:
    frames = np.array([[[0, 100, 200, 200]], [[0, 100, 200, 200]]], np.uint16)
    shared = _group(FrameVOILUTSequence={"WindowCenter": 100.5, "WindowWidth": 201})
    own = [
        _group(PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": 0}),
        _group(
            PixelValueTransformationSequence={"RescaleSlope": 2, "RescaleIntercept": 50},
            FrameVOILUTSequence={"WindowCenter": 250.5, "WindowWidth": 401},
        ),
    ]
    file = write_dicom(
        tmp_path / "enhanced.dcm",
        frames,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=own,
    )

    first, second = (read_dicom(file, frame=number) for number in (1, 2))

    # The first from 0 to 200, the second from 50 to 450: both fill the range.
    assert first.tolist() == second.tolist() == [[0, 32768, 65535, 65535]]
    assert read_dicom(file, frame=2, preset=0).tolist() == [[50, 250, 450, 450]]


EDITED_KINDS: dict[str, dict[str, Any]] = {
    "8 bits": {"bits": 8},
    "12 bits": {"bits": 12},
    "16 bits": {"bits": 16},
    "16 bits, bright is dark": {"bits": 16, "PhotometricInterpretation": "MONOCHROME1"},
    "signed, lifted": {"bits": 16, "RescaleSlope": 1, "RescaleIntercept": -1024},
    "a window": {"bits": 12, "WindowCenter": 2000, "WindowWidth": 1500},
    "a lookup table": {"bits": 8, "VOILUTSequence": [lookup(list(range(0, 65536, 256)))]},
}


@pytest.mark.parametrize("fill", [fill for fill in Fill if fill is not Fill.SWAP])
@pytest.mark.parametrize("tags", EDITED_KINDS.values(), ids=EDITED_KINDS)
def test_hiding_a_region_changes_no_pixel_outside_of_it(
    tags: dict[str, Any], fill: Fill, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    top = 2 ** tags["bits"]
    # Nothing is as dark as a hidden region: where that counts, the window moves.
    stored = rng.integers(top // 4, top, (32, 32)).astype(np.uint8 if top == 256 else np.uint16)
    pixels = read_dicom(write_dicom(tmp_path / "a.dcm", stored, **tags))
    irrelevant = np.zeros((32, 32), np.bool_)
    irrelevant[2:8, 2:8] = True
    shown = working_image(pixels, size=32, channels=1)

    if fill is Fill.BLACK:
        edited = working_image(apply_blackout(pixels, irrelevant), size=32, channels=1)
    else:
        edited = fill_region(shown, irrelevant, fill, rng=rng)

    assert (edited[:, ~irrelevant] == shown[:, ~irrelevant]).all()
    assert (edited[:, irrelevant] != shown[:, irrelevant]).any()
