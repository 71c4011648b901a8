"""A whole study as one file, `study.zip`: written here, and taken in by another home."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

import imil
from imil.core.films import FilmSpec
from imil.core.images import ImageSet
from imil.errors import StoreError
from imil.sources.archive import unpack
from imil.sources.entries import Limits, lists
from imil.sources.listing import Entry, ImportReport, Listing, listing_to_json
from imil.store.acts import acts_folder
from imil.store.base import Store, check_name
from imil.store.codec import check_version, damaged
from imil.store.images import holds_images
from imil.store.memory import MemoryStore
from imil.store.studies import StudyRecord, load_study
from imil.workflow.logged import Audit

ZIP_SCHEMA = 1
ABOUT = "imil-study.json"
# Below these: what the store has of the study, and what its working folder has.
STATE, WORK = "state/", "work/"
# One moment for all that is zipped, so that the same study is the same file, bit by bit.
MOMENT = (1980, 1, 1, 0, 0, 0)
# What is taken along of a working folder; the rest is made again from it.
_KEPT = ("images", "segments", "weights")
_UNFINISHED = re.compile(r"\.part\b|\.unfinished\Z")
# A demo's films in a file from outside: many times those of the app's own.
MOST_FILMS = 100_000
_COPY = 2**20


@dataclass(frozen=True, slots=True)
class Packed:
    """What a `study.zip` says of itself.

    Attributes:
        study_id: whose.
        images: whether the images can be had: they are inside, or drawn anew.
        files: SHA-256 by name in the zip.
    """

    study_id: str
    images: bool
    files: Mapping[str, str]


def pack(
    path: Path,
    record: StudyRecord,
    images: ImageSet,
    audit: Audit,
    *,
    store: Store,
    folder: Path,
    whole: bool = True,
) -> None:
    """Write a study as one file; the same study gives the same bytes.

    Args:
        path: of the zip; it appears there when it is complete.
        record: the study.
        images: its images.
        audit: its log, as it was found now; what is broken is said in the zip.
        store: where its state is.
        folder: its working folder.
        whole: with images and models; without them it holds what the store has.

    Raises:
        StoreError: something can't be read.
    """
    drawn = record.source["kind"] == "demo"
    state = {
        STATE + name: content
        for name, content in _state(store, record.study_id)
        if whole or not holds_images(name)
    }
    listed = f"{STATE}studies/{record.study_id}/listing.json"
    pictures: dict[str, Callable[[], bytes]] = {}
    if whole and not drawn and listed not in state:
        # Older versions kept images as they were brought: here they are written from pixels.
        listing, pictures = _rewritten(images)
        state[listed] = listing_to_json(listing).encode()
    files = dict(_work(folder, images=not pictures)) if whole else {}
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            written: dict[str, str] = {}
            for name in sorted({*state, *files, *pictures}):
                if name in files:
                    written[name] = _copy(archive, name, files[name])
                else:
                    content = state[name] if name in state else pictures[name]()
                    written[name] = _put(archive, name, content)
            about = {
                "schema_version": ZIP_SCHEMA,
                "imil": imil.__version__,
                "study": record.study_id,
                "name": record.name,
                "images": drawn or any(name.startswith(f"{WORK}images/") for name in written),
                "head": None if audit.head is None else asdict(audit.head),
                "broken": None if audit.broken is None else audit.broken.told,
                "files": written,
            }
            _put(archive, ABOUT, json.dumps(about, indent=1, sort_keys=True).encode())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def is_study_zip(path: Path) -> bool:
    """Return whether a zip is a study; whatever is wrong with it is for others to say."""
    try:
        return lists(path, ABOUT)
    except OSError:
        return False


def open_zip(archive: Path, into: Path, *, limits: Limits | None = None) -> Packed:
    """Unpack a `study.zip` into a new folder and check that it is whole; all or nothing.

    The acts of its log are let through as they are: the chain names the one that was changed.

    Raises:
        DataError: it is no zip that may be unpacked; see `imil.sources.archive.unpack`.
        StoreError: it is no study, of a newer version, or a file is not the one that was exported.
    """
    unpack(archive, into, limits=limits, whole=True)
    try:
        packed = _described(into)
        _check_files(into, packed)
        _check_record(into, packed)
    except BaseException:
        shutil.rmtree(into)
        raise
    return packed


def state_of(into: Path) -> MemoryStore:
    """Return the state that an unpacked `study.zip` holds."""
    found = MemoryStore()
    root = into / STATE
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        found.add(path.relative_to(root).as_posix(), path.read_bytes())
    return found


def put_state(state: Store, store: Store, record: StudyRecord, *, rounds: bool = True) -> None:
    """Put a study's state into a store that has none of it; the study's own file comes last.

    Without `rounds` its figures stay out: they are to be made again.
    """
    own = f"studies/{record.study_id}/"
    last = f"{own}study.json"
    for name, content in _state(state, record.study_id):
        if name == last or (name.startswith(f"{own}rounds/") and not rounds):
            continue
        fixed = not name.startswith(own) or name.startswith(acts_folder(record.study_id))
        (store.add if fixed else store.write)(name, content)
    store.write(last, state.read(last) or b"")


def put_work(into: Path, folder: Path, kinds: tuple[str, ...] = _KEPT) -> None:
    """Move what an unpacked `study.zip` has of a working folder there."""
    for kind in kinds:
        found = into / WORK / kind
        if found.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.move(found, folder / kind)


def record_of(state: Store, study_id: str) -> StudyRecord:
    """Return the study in a state that was checked."""
    record = load_study(state, study_id)
    if record is None:
        raise no_study()
    return record


# ---- inside -------------------------------------------------------------------------------------


def _state(store: Store, study_id: str) -> Iterator[tuple[str, bytes]]:
    own = store.names(f"studies/{study_id}/")
    for name in (*own, *store.of_study(study_id)):
        # Packs of the Hub hold the same records again.
        if not name.endswith(".zip") and (content := store.read(name)) is not None:
            yield name, content


def _work(folder: Path, *, images: bool) -> Iterator[tuple[str, Path]]:
    for kind in _KEPT if images else _KEPT[1:]:
        for path in (folder / kind).rglob("*"):
            if path.is_file() and not _UNFINISHED.search(path.name):
                yield WORK + path.relative_to(folder).as_posix(), path


def _rewritten(images: ImageSet) -> tuple[Listing, dict[str, Callable[[], bytes]]]:
    """Return a list of images by number, and how each is written from its pixels."""
    entries, pictures = [], {}
    for row, sample in enumerate(images.samples):
        file = f"{row:06d}.png"
        height, width, *colour = images.original(sample.sample_id).shape
        entries.append(
            Entry(
                sample_id=sample.sample_id,
                file=Path(file),
                label=images.classes[sample.label],
                split=sample.split,
                patient=sample.patient,
                group=sample.group,
                relevant_file=None,
                grey=not colour,
                width=width,
                height=height,
            )
        )
        pictures[f"{WORK}images/{file}"] = _picture(images, sample.sample_id)
    report = ImportReport(len(entries))
    listing = Listing(images.name, Path(), images.classes, None, tuple(entries), report)
    return listing, pictures


def _picture(images: ImageSet, sample_id: str) -> Callable[[], bytes]:
    def written() -> bytes:
        sink = io.BytesIO()
        Image.fromarray(images.original(sample_id)).save(sink, "PNG")
        return sink.getvalue()

    return written


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> str:
    archive.writestr(zipfile.ZipInfo(name, MOMENT), content)
    return hashlib.sha256(content).hexdigest()


def _copy(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    entry, digest = zipfile.ZipInfo(name, MOMENT), hashlib.sha256()
    entry.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(entry, "w") as target:
        while piece := source.read(_COPY):
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def _described(into: Path) -> Packed:
    path = into / ABOUT
    if not path.is_file():
        raise no_study()
    try:
        about: dict[str, Any] = json.loads(path.read_bytes())
        check_version("This study.zip", about["schema_version"], ZIP_SCHEMA)
        packed = Packed(str(about["study"]), bool(about["images"]), dict(about["files"]))
    except (ValueError, KeyError, TypeError) as cause:
        raise damaged("This study.zip") from cause
    if not packed.study_id.isalnum():
        raise damaged("This study.zip")
    return packed


def _check_files(into: Path, packed: Packed) -> None:
    acts = STATE + acts_folder(packed.study_id)
    own = (f"{STATE}studies/{packed.study_id}/", f"{STATE}data/")
    there = {p.relative_to(into).as_posix() for p in into.rglob("*") if p.is_file()} - {ABOUT}
    for name in sorted(there | set(packed.files)):
        if name.startswith(acts):
            continue
        known = packed.files.get(name)
        if name not in there or known is None or _digest(into / name) != known:
            raise _not_exported(name)
        inside = name.startswith(own) or name.removeprefix(WORK).split("/")[0] in _KEPT
        if not inside or (
            name.startswith(own[1]) and not PurePosixPath(name).stem.endswith(f"-{packed.study_id}")
        ):
            raise _not_exported(name)
    try:
        for name in there:
            if name.startswith(STATE):
                check_name(name.removeprefix(STATE))
    except ValueError as cause:
        raise damaged("This study.zip") from cause


def _check_record(into: Path, packed: Packed) -> None:
    record = record_of(state_of(into), packed.study_id)
    try:
        root = PurePosixPath(record.source.get("root", ""))
        kind = record.source["kind"]
        drawn = FilmSpec(**record.source["films"]) if kind == "demo" else FilmSpec()
    except (KeyError, TypeError, ValueError) as cause:
        raise damaged("This study.zip") from cause
    outside = root.is_absolute() or ".." in root.parts
    large = drawn.images > MOST_FILMS
    if record.study_id != packed.study_id or outside or large:
        raise damaged("This study.zip")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_exported(name: str) -> StoreError:
    return StoreError(
        f"This study.zip was changed: “{name}” is not as it was exported.",
        why="Each file's digest was written down when it was, and this one has another or none.",
        fix="Use an untouched copy of the zip, or export the study again.",
    )


def no_study() -> StoreError:
    """Return the error of a zip that holds no study."""
    return StoreError(
        "This zip holds no study.",
        why=f"A study.zip has a file {ABOUT}, and this one does not, or it names no study.",
        fix="Export the study again, or bring the zip as images.",
    )


def already_here(name: str) -> StoreError:
    """Return the error of importing a study that is there."""
    return StoreError(
        f"The study “{name}” is already here.",
        why="An import never overwrites a study: what was painted here since would be lost.",
        fix="Open it from the list of studies, or import the zip into another IMIL_HOME.",
    )
