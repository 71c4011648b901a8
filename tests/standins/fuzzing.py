"""Damaged files, brought through the app's own door as a visitor would bring them."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
from hypothesis import strategies as st
from openpyxl import Workbook
from PIL import Image
from pydicom import data as pydicom_data

from imil.datasets.archive.inspect import inspect_archive
from imil.datasets.choices import Choices
from imil.datasets.hub.process import HubRequest
from imil.errors import ImilError
from imil.jobs.pool import WorkerPool
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.study.study import Study
from tests.standins.dicoms import write_dicom
from tests.standins.memory_store import MemoryStore
from tests.standins.visitors import no_weights

# Images of each of the two classes that lie beside whatever is damaged.
EACH = 4
# The longest that one damaged file may keep a visitor waiting, s.
HANG = 5.0

HOWS = ("overwrite", "insert", "cut", "remove", "repeat")


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing done to a file: how, where (modulo its length), and with which bytes."""

    how: str
    at: int
    content: bytes


damages = st.lists(
    st.builds(
        Damage,
        st.sampled_from(HOWS),
        st.one_of(st.integers(0, 300), st.integers(0, 2**20)),
        st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 4, bytes(4)])),
    ),
    min_size=1,
    max_size=4,
)


def damaged(raw: bytes, done: Iterable[Damage]) -> bytes:
    """Return the bytes after all that is done to them."""
    out = bytearray(raw)
    for damage in done:
        at = damage.at % max(1, len(out))
        if damage.how == "overwrite":
            out[at : at + len(damage.content)] = damage.content
        elif damage.how == "insert":
            out[at:at] = damage.content
        elif damage.how == "cut":
            del out[at:]
        elif damage.how == "remove":
            del out[at : at + 16]
        else:
            out[at:at] = out[at : at + 64] * 16
    return bytes(out)


def pixels_of(number: int) -> np.ndarray:
    """Return a grey film unlike that of any other number, (12, 10) uint8."""
    return np.random.default_rng(number).integers(0, 256, (12, 10), np.uint8)


@cache
def good_images() -> dict[str, bytes]:
    """Return images of two classes in their folders, by path."""
    return {
        f"{label}/{number}.png": encoded(pixels_of(100 * at + number), "PNG")
        for at, label in enumerate("ab")
        for number in range(EACH)
    }


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    """Return pixels as a picture file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


@cache
def pictures() -> Mapping[str, bytes]:
    """Return one sound file of every kind of picture that is read, by file name."""
    draw = np.random.default_rng(7)
    grey = draw.integers(0, 256, (24, 20), np.uint8)
    colour = draw.integers(0, 256, (24, 20, 3), np.uint8)
    deep = draw.integers(0, 4096, (24, 20), np.uint16)
    held = Image.Exif()
    held[0x0112] = 6
    return {
        "grey.png": encoded(grey, "PNG"),
        "deep.png": encoded(deep, "PNG"),
        "turned.jpg": encoded(colour, "JPEG", exif=held.tobytes()),
        "slow.jpg": encoded(grey, "JPEG", progressive=True),
        "deep.tif": encoded(deep, "TIFF"),
        "lzw.tif": encoded(colour, "TIFF", compression="tiff_lzw"),
        "flat.bmp": encoded(colour, "BMP"),
        "small.webp": encoded(colour, "WEBP"),
        "few.gif": encoded(grey, "GIF"),
    }


@cache
def dicoms(folder: Path) -> tuple[bytes, ...]:
    """Return DICOM files of many makers: ours, and the smaller ones that pydicom brings."""
    draw = np.random.default_rng(8)
    deep = draw.integers(0, 4096, (16, 12), np.uint16)
    own = (
        write_dicom(folder / "1", deep, bits=12, PatientID="p", WindowCenter=900, WindowWidth=80),
        write_dicom(folder / "2", draw.integers(0, 256, (3, 9, 8), np.uint8), PatientID="q"),
        write_dicom(folder / "3", deep, RescaleSlope="1.5", RescaleIntercept="-7"),
    )
    brought = sorted(Path(str(pydicom_data.__file__)).parent.rglob("*.dcm"))
    small = [file for file in brought if file.stat().st_size < 8192 and pydicom.misc.is_dicom(file)]
    return tuple(file.read_bytes() for file in (*own, *small))


def sheet(rows: Sequence[Sequence[str]]) -> bytes:
    """Return rows as a workbook."""
    book = Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zipped(path: Path, entries: Mapping[str, bytes]) -> Path:
    """Write a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@dataclass(slots=True)
class Door:
    """Where a visitor's files come in, watched for what they do to the disk and the clock.

    Attributes:
        home: the only folder that anything may be written to.
        endpoint: the Hub's.
        taken: files that became a study, in whole or in part.
        refused: files that were refused as a whole.
        slowest: the longest that any of them took, s.
    """

    home: Path
    endpoint: str | None = None
    taken: int = 0
    refused: int = 0
    slowest: float = 0.0
    reasons: set[str] = field(default_factory=set)
    _pool: WorkerPool | None = None

    def bring(
        self,
        archive: Path | HubRequest,
        *,
        choices: Choices | None = None,
        positive: str | None = None,
    ) -> Study | ImilError:
        """Look into a file and begin a study of it, or be told why not.

        What is refused leaves nothing; what is taken writes below its own study's folder alone.
        """
        self._pool = self._pool or WorkerPool(self.home / "jobs")
        store, before = MemoryStore(), self._files()
        tools = Services(store, self._pool, no_weights, endpoint=self.endpoint)
        studies = Studies(self.home / "work", tools)
        began = time.perf_counter()
        try:
            if isinstance(archive, HubRequest):
                study = studies.from_hub(archive, positive=positive)
            else:
                with suppress(ImilError):
                    inspect_archive(archive, choices)
                study = studies.from_archive(archive, choices=choices, positive=positive)
        except ImilError as error:
            refusal = error
        else:
            return self._began(study, store.names(""), self._files() - before)
        finally:
            self.slowest = max(self.slowest, time.perf_counter() - began)
        assert all((refusal.what, refusal.why, refusal.fix))
        assert self._files() == before
        assert store.names("") == ()
        self.refused += 1
        self.reasons.add(refusal.why)
        return refusal

    def _began(self, study: Study, kept: Sequence[str], written: set[str]) -> Study:
        """Check that a study has written nothing but what is its own."""
        own = f"work/studies/{study.study_id}/"
        assert [name for name in written if not name.startswith(own)] == []
        assert [name for name in kept if name.split("/")[1] != study.study_id] == []
        self.taken += 1
        self.reasons |= {skip.reason for skip in study.report.skipped}
        return study

    def close(self) -> None:
        """End what was begun."""
        if self._pool is not None:
            self._pool.close()

    def _files(self) -> set[str]:
        return {p.relative_to(self.home).as_posix() for p in self.home.rglob("*") if p.is_file()}


def kept_pixels(study: Study) -> set[bytes]:
    """Return the pixels of all images of a study."""
    return {study.images.original(sample.sample_id).tobytes() for sample in study.images.samples}


def good_pixels(of: Mapping[str, bytes]) -> set[bytes]:
    """Return the pixels of sound images."""
    return {np.asarray(Image.open(io.BytesIO(content))).tobytes() for content in of.values()}


def named(study: Study) -> set[str]:
    """Return what was skipped, by name."""
    return {skip.name for skip in study.report.skipped}
