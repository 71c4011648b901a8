from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.datasets.files.dicom import RefusedError, hashed
from imil.datasets.files.pixels import read_pixels
from imil.datasets.reading.dicom import DicomReader, DicomRequest
from tests.standins.dicoms import write_dicom


@pytest.fixture
def reader() -> Iterator[DicomReader]:
    with DicomReader(salt="s", limit=0.5) as made:
        yield made


def _file(folder: Path, name: str = "x.dcm") -> Path:
    return write_dicom(folder / name, np.array([[0, 60_000]], np.uint16), PatientID="p")


@pytest.mark.slow
def test_a_picture_holds_the_pixels_and_nothing_else(tmp_path: Path, reader: DicomReader) -> None:
    made = tmp_path / "new" / "x.png"

    reader.picture(_file(tmp_path), made, DicomRequest())

    assert read_pixels(made).tolist() == [[0, 60_000]]
    with Image.open(made) as image:
        assert image.info == {}


@pytest.mark.slow
def test_paths_may_be_relative(
    tmp_path: Path, reader: DicomReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(_file(tmp_path).parent)

    reader.picture(Path("x.dcm"), Path("new/x.png"), DicomRequest())

    assert reader.header(Path("x.dcm")).patient == hashed("p", "s")
    assert read_pixels(tmp_path / "new" / "x.png").tolist() == [[0, 60_000]]


@pytest.mark.slow
def test_headers_are_read_and_reasons_told(tmp_path: Path, reader: DicomReader) -> None:
    (tmp_path / "no.dcm").write_bytes(b"nothing")
    cut = _file(tmp_path, "cut.dcm")
    cut.write_bytes(cut.read_bytes()[:-3])

    assert reader.header(_file(tmp_path)).patient == hashed("p", "s") == reader.hashed("p")
    with pytest.raises(RefusedError, match="does not begin as a DICOM file"):
        reader.header(tmp_path / "no.dcm")
    with pytest.raises(RefusedError, match="damaged or ends too early"):
        reader.picture(cut, tmp_path / "cut.png", DicomRequest())
    with pytest.raises(RefusedError, match="no frame 7"):
        reader.picture(_file(tmp_path), tmp_path / "y.png", DicomRequest(frame=7))


@pytest.mark.slow
def test_a_file_that_kills_or_stalls_the_decoder_costs_that_file_alone(
    tmp_path: Path, reader: DicomReader
) -> None:
    good = _file(tmp_path)
    reader.header(good)
    # Nobody writes to it, so that opening it never ends.
    os.mkfifo(tmp_path / "stalls.dcm")

    with pytest.raises(RefusedError, match="Decoding it took too long"):
        reader.header(tmp_path / "stalls.dcm")
    reader.header(good)
    assert reader._process is not None
    os.kill(reader._process.pid, signal.SIGKILL)
    with pytest.raises(RefusedError, match="crash the decoder"):
        reader.header(good)
    assert reader.header(good).patient == hashed("p", "s")
