"""What a zip holds, told before its images are read: how it is understood, and what is lost."""

from __future__ import annotations

import io
import secrets
import tempfile
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from imil.datasets.archive.arrays import Arrays, arrays_in
from imil.datasets.archive.entries import (
    EntryError,
    Limits,
    checked,
    pieces,
    require_read,
    require_readable,
    require_tables,
)
from imil.datasets.archive.preview import ClassPreview, preview_classes, small_picture
from imil.datasets.archive.read import opened
from imil.datasets.choices import Choices
from imil.datasets.files import dicom
from imil.datasets.files.dicom import Header, RefusedError
from imil.datasets.files.frames import frames_of, may_hold_frames
from imil.datasets.files.pictures import PictureFiles, frames_in, owners
from imil.datasets.files.pixels import IMAGE_SUFFIXES, PixelsError
from imil.datasets.files.tree import is_image, may_be_dicom, stray, suffix_of
from imil.datasets.files.volumes import is_volume
from imil.datasets.layout.decisions.frames import Frames
from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.layout.reading import ImageFile, LeftOut, Question, Reading
from imil.datasets.layout.samples import MAX_BYTES as MOST_SAMPLED
from imil.datasets.layout.samples import two_valued, why_blank
from imil.datasets.listing import MAX_SKIPPED, Skipped
from imil.datasets.reading.dicom import DicomReader
from imil.datasets.tables.sidecars import names_classes, read_sidecars, sidecars_among
from imil.datasets.tables.table import (
    MAX_TABLE_BYTES,
    TABLE_NAME,
    Grid,
    file_of,
    is_other_table,
    is_table,
    is_text_table,
    looked_into,
    read_grids,
)
from imil.errors import DataError

# Bytes of a zip that are read to find what is damaged: it takes a second or two, as a look may.
MAX_TRIED = 256 * 2**20
# Bytes of an image that a preview shows.
MOST_SHOWN = 32 * 2**20
# DICOM files whose headers a preview reads for patients and UIDs.
MAX_HEADERS = 500
# Of more files, those whose headers tell how many frames the others have.
SAMPLED_HEADERS = 20


@dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """What an archive seems to hold, and how it would be read.

    Attributes:
        images: how many would be taken; all that are there where nothing gives them a label.
        dicom: how many images, taken or not, are DICOM.
        masks: how many images are masks of others.
        classes: how many images each label has.
        evidence: one sentence for each decision.
        questions: what can be decided otherwise; open ones have to be answered.
        skipped: the first `MAX_SKIPPED` files that will be left out, as far as they were tried.
        tried: whether all were; damaged ones of a large zip are met when it is read.
        more_skipped: how many more than `skipped` names.
        previews: the first classes, with their splits and a few pictures.
    """

    images: int
    dicom: int
    masks: int = 0
    classes: Mapping[str, int] | None = None
    evidence: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    tried: bool = True
    more_skipped: int = 0
    previews: tuple[ClassPreview, ...] = ()

    @property
    def left_out(self) -> int:
        """How many files will be left out, as far as they were tried."""
        return len(self.skipped) + self.more_skipped

    @classmethod
    def of(cls, told: dict[str, Any]) -> ArchiveSummary:
        """Return the look that `asdict` made JSON of."""
        asked = (Question(**{**q, "choices": tuple(q["choices"])}) for q in told["questions"])
        known = {
            "questions": tuple(asked),
            "evidence": tuple(told["evidence"]),
            "skipped": tuple(Skipped(**each) for each in told["skipped"]),
            "previews": tuple(
                ClassPreview(**{**each, "pictures": tuple(each["pictures"])})
                for each in told["previews"]
            ),
        }
        return cls(**{**told, **known})


def inspect_archive(
    archive: Path, choices: Choices | None = None, *, most_tried: int = MAX_TRIED
) -> ArchiveSummary:
    """Return what a zip holds, from its list of files, its tables and a few images.

    Args:
        archive: the zip file.
        choices: answers, and a table that lies beside it and is looked into alone.
        most_tried: bytes to read in search of damaged files.

    Raises:
        DataError: as `read_archive`, as far as it can be told so.
    """
    choices = choices or Choices()
    with surveyed(archive, choices, most_tried=most_tried) as found:
        reading = read_layout(found.listed, choices.answered)
        previews = preview_classes(reading.images, found.picture)
    skipped = [*found.skipped, *(Skipped(left.file, left.why) for left in reading.left_out)]
    return ArchiveSummary(
        images=len(reading.images) or len(found.listed.images),
        dicom=found.dicom,
        masks=len(reading.masks),
        classes=dict(reading.classes),
        previews=previews,
        evidence=reading.evidence,
        questions=reading.questions,
        skipped=tuple(skip.short() for skip in skipped[:MAX_SKIPPED]),
        tried=found.tried,
        more_skipped=max(0, len(skipped) - MAX_SKIPPED),
    )


def read_zip_layout(archive: Path, choices: Choices) -> tuple[Reading, Listed]:
    """Return how a zip is understood, whole, with what it was told from; as `inspect_archive`."""
    with surveyed(archive, choices, headers=None) as found:
        reading = read_layout(found.listed, choices.answered)
        lost = (LeftOut(skip.name, skip.reason) for skip in found.skipped)
        return replace(reading, left_out=(*lost, *reading.left_out)), found.listed


@dataclass(frozen=True, slots=True)
class Survey:
    """A zip's files as a layout is told from them; they can be looked at while it is open."""

    listed: Listed
    dicom: int
    skipped: tuple[Skipped, ...]
    tried: bool
    picture: Callable[[ImageFile], bytes | None]


@contextmanager
def surveyed(
    archive: Path,
    choices: Choices,
    *,
    most_tried: int = MAX_TRIED,
    headers: int | None = MAX_HEADERS,
) -> Iterator[Survey]:
    """Open a zip and list what it holds.

    Args:
        archive: the zip file.
        choices: a table that lies beside it, and which one was picked.
        most_tried: bytes to read in search of damaged files.
        headers: of DICOM files that are read at most; all if None.
    """
    with (
        opened(archive) as zipped,
        tempfile.TemporaryDirectory(prefix="imil-look-") as made,
        DicomReader(salt=secrets.token_hex()) as reader,
    ):
        folder = Path(made)
        skipped: list[Skipped] = []
        entries = checked(zipped, archive.name, Limits(), skipped)
        with arrays_in(zipped, entries, archive.name) as arrays:
            if arrays is not None:
                yield _survey_of(arrays, choices, skipped, held=headers is not None)
                return
        lost, tried = _tried(zipped, entries, most_tried)
        entries = {name: entry for name, entry in entries.items() if name not in lost}
        skipped += lost.values()
        require_read(archive.name, len(entries), [*lost.values()], whole=False)
        require_tables(archive.name, entries, [*lost.values()], choices)
        heads = _heads(zipped, entries)
        bare = {name for name, head in heads.items() if dicom.begins_as_dicom(head)}
        images = tuple(name for name in entries if is_image(name) or name in bare)
        films = [
            name for name in images if suffix_of(name) not in IMAGE_SUFFIXES and not is_volume(name)
        ]
        whole = headers is None or len(films) <= headers
        looked = films if whole else films[:: len(films) // SAMPLED_HEADERS + 1]
        told = _headers(zipped, entries, looked, folder, reader)
        found = told if whole else {}
        none = {name: header.no_picture for name, header in found.items() if header.no_picture}
        skipped += (Skipped(name, reason) for name, reason in none.items())
        found = {name: header for name, header in found.items() if name not in none}
        images = tuple(name for name in images if name not in none)
        beside = {} if choices.table_file is not None else sidecars_among(entries, images)
        tables = _tables(zipped, entries, heads, images, choices, folder, skipped)
        tables |= read_sidecars(
            beside,
            {name: entry.file_size for name, entry in entries.items()},
            partial(_content, zipped, entries),
        )
        known = {*images, *map(file_of, tables), *beside, *(skip.name for skip in skipped)}
        if choices.table_file is not None:
            known |= {n for n in entries if is_table(n) or is_other_table(n)}
        listed = Listed(
            images,
            tables,
            {name: entries[name].file_size for name in images},
            partial(_flat, zipped, entries),
            partial(_blank, zipped, entries),
            lambda name: (entries[name].CRC, entries[name].file_size),
            {header.uid: name for name, header in found.items() if header.uid},
            owners(found)[0],
            frames=_frames(zipped, entries, images, most_tried)
            | _of_films([*told] if whole else films, told),
            others={
                name: stray(name)
                for name in entries
                if name not in known and not (beside and names_classes(name))
            },
        )
        # A preview also shows those whose headers were not looked into.
        shown = dict.fromkeys(films, Header(None, None, "", annotated=False)) | found
        pictures = PictureFiles(reader, folder / "pictures", shown, frames=listed.frames)
        picture = partial(_picture, zipped, entries, pictures, choices, folder)
        yield Survey(listed, len(films) - len(none), tuple(skipped), tried, picture)


def _survey_of(arrays: Arrays, choices: Choices, skipped: list[Skipped], *, held: bool) -> Survey:
    """Return the survey of images in arrays; `held` where some are to be shown."""
    if held:
        arrays.hold()
    table = choices.table_file
    tables = {TABLE_NAME: arrays.table()} if table is None else read_grids(table, table.name)
    names = arrays.names
    listed = Listed(names, tables, dict.fromkeys(names, 0))
    return Survey(
        listed, 0, tuple(skipped), tried=True, picture=lambda image: arrays.picture(image.file)
    )


def _tables(
    zipped: zipfile.ZipFile,
    entries: Mapping[str, zipfile.ZipInfo],
    heads: Mapping[str, bytes],
    images: tuple[str, ...],
    choices: Choices,
    folder: Path,
    skipped: list[Skipped],
) -> dict[str, Grid]:
    """Return the tables that are looked into, by name; `skipped` is told of those that can't be."""
    if choices.table_file is not None:
        return read_grids(choices.table_file, choices.table_file.name)
    sizes = {
        name: entry.file_size
        for name, entry in entries.items()
        if is_table(name) or is_other_table(name) or is_text_table(name, heads.get(name, b""))
    }
    found: dict[str, Grid] = {}
    picked = choices.answered.get("table")
    for number, name in enumerate(sorted(looked_into(sizes, images, picked=picked))):
        file = None
        if sizes[name] <= MAX_TABLE_BYTES:
            file = _copied(zipped, entries[name], folder / str(number), name)
        try:
            if file is not None:
                found |= read_grids(file, name)
        except DataError as error:
            if is_table(name) or name == picked:
                raise
            skipped.append(Skipped(name, error.why))
    return found


def _heads(zipped: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> dict[str, bytes]:
    """Return the first bytes of files whose name does not say what they are."""
    heads = {}
    for name, entry in entries.items():
        if may_be_dicom(name):
            try:
                heads[name] = next(pieces(zipped, entry), b"")
            except EntryError:
                heads[name] = b""
    return heads


def _headers(
    zipped: zipfile.ZipFile,
    entries: Mapping[str, zipfile.ZipInfo],
    films: list[str],
    folder: Path,
    reader: DicomReader,
) -> dict[str, Header]:
    """Return what DICOM files say of themselves, those that can be read."""
    found: dict[str, Header] = {}
    for name in films:
        file = _copied(zipped, entries[name], folder / "film", "film.dcm")
        if file is None:
            continue
        # Why one can't be read is told with the images.
        with suppress(RefusedError):
            found[name] = reader.header(file.resolve())
        file.unlink()
    return found


def _frames(
    zipped: zipfile.ZipFile,
    entries: Mapping[str, zipfile.ZipInfo],
    images: tuple[str, ...],
    most: int,
) -> dict[str, Frames]:
    """Return the frames of volumes and, of `most` bytes, of pictures that hold several."""
    found: dict[str, Frames] = {}
    left = most
    for name in images:
        if not may_hold_frames(name):
            continue
        try:
            if is_volume(name):
                content = next(pieces(zipped, entries[name]), b"")
            else:
                left -= entries[name].file_size
                if left < 0:
                    continue
                content = b"".join(pieces(zipped, entries[name]))
        except EntryError:
            continue
        if (frames := frames_of(name, io.BytesIO(content))) is not None:
            found[name] = frames
    return found


def _of_films(films: list[str], told: Mapping[str, Header]) -> dict[str, Frames]:
    """Return the frames of DICOM files with several; those nobody looked into are as most are."""
    ((usual, _),) = Counter(map(frames_in, told.values())).most_common(1) or ((None, 0),)
    found = {name: frames_in(told[name]) if name in told else usual for name in films}
    return {name: frames for name, frames in found.items() if frames is not None}


def _picture(
    zipped: zipfile.ZipFile,
    entries: Mapping[str, zipfile.ZipInfo],
    pictures: PictureFiles,
    choices: Choices,
    folder: Path,
    image: ImageFile,
) -> bytes | None:
    """Return a small JPEG of an image; None where it is large, has no frame, or can't be read."""
    name, entry = image.file, entries[image.file]
    if entry.file_size > MOST_SHOWN:
        return None
    if suffix_of(name) in IMAGE_SUFFIXES and name not in pictures.frames:
        try:
            return small_picture(io.BytesIO(b"".join(pieces(zipped, entry))))
        except EntryError:
            return None
    film = _copied(zipped, entry, folder / "film", name)
    if film is None:
        return None
    try:
        shown = pictures.file(name, film.resolve(), choices, image.frame)
        made = small_picture(io.BytesIO(shown.read_bytes()))
    except PixelsError:
        return None
    finally:
        film.unlink()
    # Another file of this name and size, copied at once, would be taken for this one.
    shown.unlink(missing_ok=True)
    return made


def _flat(
    zipped: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str
) -> bool | None:
    if suffix_of(name) not in IMAGE_SUFFIXES or entries[name].file_size > MOST_SAMPLED:
        return None
    try:
        return two_valued(io.BytesIO(b"".join(pieces(zipped, entries[name]))))
    except EntryError:
        return None


def _content(zipped: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str) -> bytes:
    """Return a small file; b"" where it can't be read."""
    try:
        return b"".join(pieces(zipped, entries[name]))
    except EntryError:
        return b""


def _blank(zipped: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str) -> str:
    if suffix_of(name) not in IMAGE_SUFFIXES or entries[name].file_size > MOST_SAMPLED:
        return ""
    try:
        return why_blank(io.BytesIO(b"".join(pieces(zipped, entries[name]))))
    except EntryError:
        return ""


def _tried(
    zipped: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], most: int
) -> tuple[dict[str, Skipped], bool]:
    """Return what can't be read, by name, and whether all was tried; tables come first."""
    lost: dict[str, Skipped] = {}
    left = most
    for name in sorted(entries, key=lambda name: not (is_table(name) or is_other_table(name))):
        entry = entries[name]
        # A zip's reader stops at the size that is stated, so stated sizes bound the work.
        left -= entry.file_size + entry.compress_size
        try:
            require_readable(zipped, entry)
            if left >= 0:
                deque(pieces(zipped, entry), maxlen=0)
        except EntryError as error:
            lost[name] = Skipped(name, str(error))
    return lost, left >= 0


def _copied(
    zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, name: str
) -> Path | None:
    """Write a file to a folder of its own; None where it turns out to be damaged."""
    folder.mkdir(exist_ok=True)
    file = folder / Path(name).name
    try:
        with file.open("wb") as target:
            target.writelines(pieces(zipped, entry))
    except EntryError:
        return None
    return file
