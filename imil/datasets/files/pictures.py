"""Files of a study into pictures that can be read again: DICOM is decoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from imil.core.records import Pixels
from imil.datasets.choices import Choices, parse_frame
from imil.datasets.files.dicom import Header, RefusedError
from imil.datasets.files.frames import frame_pixels, frames_of, may_hold_frames
from imil.datasets.files.pixels import PixelsError, read_region
from imil.datasets.files.tree import Findings, Tree, is_dicom_file, is_image
from imil.datasets.layout.decisions.frames import Frames
from imil.datasets.reading.dicom import DicomReader, DicomRequest

# Bytes of the hash that a made picture is called by.
_NAME_BYTES = 16


@dataclass(slots=True, eq=False)
class PictureFiles:
    """What DICOM files and volumes say of themselves, and their pictures as they are asked for.

    Attributes:
        reader: decodes; the caller closes it.
        made: folder for the pictures.
        headers: of the DICOM files that can be read, by name.
        refused: why others can't, by name; also of pictures of other kinds that are not there.
        no_pictures: why DICOM files are no pictures, by name; they are in neither of those.
        frames: of files that hold several, and of all volumes, by name.
    """

    reader: DicomReader
    made: Path
    headers: Mapping[str, Header] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    no_pictures: Mapping[str, str] = field(default_factory=dict)
    frames: Mapping[str, Frames] = field(default_factory=dict)

    @property
    def uids(self) -> dict[str, str]:
        """Names by SOPInstanceUID; a UID that two files bear names neither."""
        bearers: dict[str, list[str]] = {}
        for name, header in self.headers.items():
            bearers.setdefault(header.uid, []).append(name)
        return {uid: names[0] for uid, names in bearers.items() if uid and len(names) == 1}

    def hashed(self, patient: str) -> str:
        """Return a patient's id as those of DICOM files are: hashed with the reader's salt."""
        return self.reader.hashed(patient)

    def is_dicom(self, name: str) -> bool:
        """Return whether a file was found to be a DICOM image."""
        return name in self.headers or name in self.refused

    def annotated(self, name: str) -> bool:
        """Return whether a DICOM file says that text is burnt into its pixels."""
        return name in self.headers and self.headers[name].annotated

    def write(self, original: Path, pixels: Pixels) -> Path:
        """Write pixels that were changed as a picture of their own, and return its file."""
        self.made.mkdir(parents=True, exist_ok=True)
        made = self.made / f"{_key(original, None, 0)}.black.png"
        save_picture(pixels, made)
        return made

    def joined(self, masks: Sequence[Path]) -> Path:
        """Return a file of what any of several masks marks; PixelsError where one is broken."""
        keys = "".join(_key(mask, None, 0) for mask in masks)
        name = hashlib.blake2b(keys.encode(), digest_size=_NAME_BYTES).hexdigest()
        made = self.made / f"{name}.mask.png"
        if not made.exists():
            region = np.any([read_region(mask) for mask in masks], axis=0)
            self.made.mkdir(parents=True, exist_ok=True)
            save_picture(255 * region.astype(np.uint8), made)
        return made

    def file(self, name: str, original: Path, choices: Choices, frame: str | None) -> Path:
        """Return a file of one picture that `read_pixels` reads: the original, or one made of it.

        A picture that an earlier run has made of the same file is taken again. `frame` is what was
        picked for this file alone, and goes before the choice for all.

        Raises:
            PixelsError: a DICOM file or a volume that can't be read, or no such frame.
        """
        if name in self.refused:
            raise PixelsError(name, why=self.refused[name])
        if name not in self.headers and name not in self.frames:
            return original
        frames = self.frames.get(name, Frames(1))
        picked = choices.picked if frame is None else parse_frame(frame)
        if why := frames.why_not(picked):
            raise PixelsError(name, why=why)
        number = frames.number(picked)
        made = self.made / f"{_key(original, number, choices.preset)}.png"
        if made.exists():
            return made
        unfinished = made.with_suffix(".part")
        try:
            if name in self.headers:
                asked = DicomRequest(number, choices.preset)
                self.reader.picture(original, unfinished, asked)
            else:
                self.made.mkdir(parents=True, exist_ok=True)
                save_picture(frame_pixels(original, number), unfinished)
        except RefusedError as reason:
            unfinished.unlink(missing_ok=True)
            raise PixelsError(name, why=str(reason)) from reason
        unfinished.replace(made)
        return made


def save_picture(pixels: Pixels, file: Path) -> None:
    """Write pixels as a PNG."""
    # Level 1: films hardly get smaller by more.
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)


def look_through(tree: Tree, reader: DicomReader, made: Path) -> PictureFiles:
    """Return the DICOM files of a folder, and those of several frames, by their headers."""
    frames: dict[str, Frames] = {}
    headers: dict[str, Header] = {}
    refused: dict[str, str] = {}
    no_pictures: dict[str, str] = {}
    for name, file in tree.files.items():
        if name in tree.unread:
            if is_image(name):
                refused[name] = tree.unread[name]
            continue
        if may_hold_frames(name):
            with file.open("rb") as opened:
                found = frames_of(name, opened)
            if found is not None:
                frames[name] = found
            continue
        if not is_dicom_file(name, file):
            continue
        try:
            header = reader.header(file)
        except RefusedError as reason:
            refused[name] = str(reason)
        else:
            if header.no_picture:
                no_pictures[name] = header.no_picture
            else:
                headers[name] = header
    several = {name: frames_in(header) for name, header in headers.items()}
    frames |= {name: found for name, found in several.items() if found is not None}
    return PictureFiles(reader, made, headers, refused, no_pictures, frames)


def frames_in(header: Header) -> Frames | None:
    """Return the frames of a DICOM file that has several; None of one."""
    return Frames(header.frames) if header.frames > 1 else None


def whose(pictures: PictureFiles, findings: Findings) -> dict[str, str]:
    """Return the patient of each DICOM file that names one, hashed, by file name; see `owners`."""
    found, note = owners(pictures.headers)
    if note:
        findings.note(note)
    return found


def owners(headers: Mapping[str, Header]) -> tuple[dict[str, str], str]:
    """Return the patient of each DICOM file that names one, hashed; and what is to be told of it.

    A file without a PatientID is its study's, which is of one patient. Where all files carry one
    PatientID and come of several studies, as after de-identification, studies stand for patients.
    """
    patients = {header.patient for header in headers.values()}
    studies = {header.study for header in headers.values() if header.study is not None}
    by_study = len(patients) == 1 and len(studies) > 1
    note = ""
    if by_study:
        note = (
            f"All DICOM files carry one PatientID or none, so their {len(studies)} studies were "
            "taken for patients."
        )
    found: dict[str, str] = {}
    for name, header in headers.items():
        owner = header.study if by_study else header.patient or header.study
        if owner is not None:
            found[name] = owner
    return found, note


def _key(file: Path, frame: int | None, preset: int) -> str:
    """Return a name that changes with the file's content, as far as its size and time tell."""
    about = file.stat()
    told = f"{file.resolve()} {about.st_size} {about.st_mtime_ns} {frame} {preset}"
    return hashlib.blake2b(told.encode(errors="replace"), digest_size=_NAME_BYTES).hexdigest()
