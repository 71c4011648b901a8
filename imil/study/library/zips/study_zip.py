"""A whole study as one file, `study.zip`: written here, and taken in by another home."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from PIL import Image

import imil
from imil.core.images import ImageSet
from imil.datasets.archive.entries import lists
from imil.datasets.archive.read import unpack
from imil.datasets.listing import Entry, ImportReport, Listing, listing_to_json
from imil.errors import StoreError
from imil.storage.base import Store, is_study_id, renamed_for
from imil.storage.codec import check_version, damaged, read_json
from imil.storage.local import LocalStore
from imil.storage.records.acts import acts_folder
from imil.storage.records.studies import StudyRecord, listing_file, study_file, study_json
from imil.storage.study_store import StudyStore
from imil.storage.values import from_json
from imil.study.audit.trail import Audit
from imil.study.library.zips.checks.files import MOST_JSON, check_sizes, is_exported, is_imported
from imil.study.library.zips.checks.log import Manifest, check_log, with_openings
from imil.study.library.zips.checks.record import checked_record
from imil.study.library.zips.checks.refusals import STUDY_ZIP, unknown_file

ZIP_SCHEMA = 1
MANIFEST_FILE = "imil-study.json"
# Below these: what the store has of the study, and what its working folder has.
STATE, _WORK = "state/", "work/"
# One moment for all that is zipped, so that the same study is the same file, bit by bit.
_MOMENT = (1980, 1, 1, 0, 0, 0)
# What is taken along of a working folder; the rest is made again from it.
_KEPT = ("images", "external", "segments", "weights")
_UNFINISHED = re.compile(r"\.part\b|\.unfinished\Z")
_COPY = 2**20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A `study.zip` that was unpacked, and of which state and log were checked.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
        record: its study, under the id that its files use.
    """

    folder: Path
    manifest: Manifest
    record: StudyRecord

    @property
    def state(self) -> StudyStore:
        """The study's state; it can be read and not changed."""
        return _state_of(self.folder, self.record.study_id)

    @property
    def work(self) -> Path:
        """What it has of a working folder."""
        return self.folder / _WORK


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
        record: the study. Nobody's consent goes along.
        images: its images.
        audit: its log, as it was found now; what is broken is said in the zip.
        store: where its state is.
        folder: its working folder.
        whole: with images and models; without them it holds what the store has.

    Raises:
        StoreError: something can't be read.
    """
    drawn, log_id = record.source["kind"] == "demo", record.log_id
    state = {STATE + name: content for name, content in _state(store, log_id)}
    inside = replace(record, study_id=log_id, origin_id="", consent=None)
    state[STATE + study_file(log_id)] = study_json(inside)
    listed = STATE + listing_file(log_id)
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
                "study": log_id,
                "name": record.name,
                "images": drawn or any(name.startswith(f"{_WORK}images/") for name in written),
                "head": None if audit.head is None else asdict(audit.head),
                "broken": None if audit.broken is None else audit.broken.told,
                "files": written,
            }
            _put(archive, MANIFEST_FILE, json.dumps(about, indent=1, sort_keys=True).encode())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def is_study_zip(path: Path) -> bool:
    """Return whether a zip is a study; whatever is wrong with it is for others to say."""
    try:
        return lists(path, MANIFEST_FILE)
    except OSError:
        return False


def open_zip(archive: Path, into: Path) -> Unpacked:
    """Unpack a `study.zip` into a new folder and check state and log; all or nothing.

    What is not taken of it is gone from the folder.

    Raises:
        DataError: it is no zip that may be unpacked; see `imil.datasets.archive.read.unpack`.
        StoreError: it is no study, of a newer version, a file is not the one that was exported, or
            holds what it can't.
        PlanError: its plan can't be trained.
    """
    unpack(archive, into, whole=True)
    try:
        manifest = _described(into)
        _check_files(into, manifest)
        state = _state_of(into, manifest.study)
        record = checked_record(state, manifest.study)
        log = check_log(state, record, manifest)
        return Unpacked(into, manifest, with_openings(record, log))
    except BaseException:
        shutil.rmtree(into)
        raise


def _state_of(into: Path, study_id: str) -> StudyStore:
    """Return the state that an unpacked `study.zip` holds; it can be read and not changed."""
    found = StudyStore(LocalStore(into / STATE), study_id, study_id)
    found.end()
    return found


def put_state(unpacked: Unpacked, store: Store, study_id: str, *, rounds: bool = True) -> None:
    """Put a study's state into a store that has none of it, all but the study's own file.

    Args:
        unpacked: the zip.
        store: where to.
        study_id: the id that the files are to lie under; they stay as they are.
        rounds: with figures; without them they are to be made again.
    """
    log_id = unpacked.record.study_id
    own = f"studies/{log_id}/"
    for name, content in _state(unpacked.state, log_id):
        if name == study_file(log_id) or (name.startswith(f"{own}rounds/") and not rounds):
            continue
        fixed = not name.startswith(own) or name.startswith(acts_folder(log_id))
        (store.add if fixed else store.write)(renamed_for(name, study_id), content)


def put_work(unpacked: Unpacked, folder: Path, kinds: tuple[str, ...] = _KEPT) -> None:
    """Move what an unpacked `study.zip` has of a working folder there."""
    for kind in kinds:
        found = unpacked.work / kind
        if found.exists():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.move(found, folder / kind)


# ---- inside -------------------------------------------------------------------------------------


def _state(store: Store, study_id: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files that travel with a study; what is a right, or tells of one, stays here."""
    own = store.names(f"studies/{study_id}/")
    for name in (*own, *store.of_study(study_id)):
        if is_exported(name, study_id) and (content := store.read(name)) is not None:
            yield name, content


def _work(folder: Path, *, images: bool) -> Iterator[tuple[str, Path]]:
    for kind in _KEPT if images else _KEPT[1:]:
        for path in (folder / kind).rglob("*"):
            if path.is_file() and not _UNFINISHED.search(path.name):
                yield _WORK + path.relative_to(folder).as_posix(), path


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
        pictures[f"{_WORK}images/{file}"] = _picture(images, sample.sample_id)
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
    archive.writestr(zipfile.ZipInfo(name, _MOMENT), content)
    return hashlib.sha256(content).hexdigest()


def _copy(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    entry, digest = zipfile.ZipInfo(name, _MOMENT), hashlib.sha256()
    entry.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(entry, "w") as target:
        while piece := source.read(_COPY):
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def _described(into: Path) -> Manifest:
    path = into / MANIFEST_FILE
    if not path.is_file():
        raise no_study_error()
    if path.stat().st_size > MOST_JSON:
        raise damaged(STUDY_ZIP)
    about = read_json(STUDY_ZIP, path.read_bytes())
    check_version(STUDY_ZIP, about.get("schema_version", 0), ZIP_SCHEMA)
    try:
        manifest = from_json(Manifest, about)
    except (ValueError, KeyError, TypeError) as cause:
        raise damaged(STUDY_ZIP) from cause
    if not is_study_id(manifest.study):
        raise damaged(STUDY_ZIP)
    return manifest


def _check_files(into: Path, manifest: Manifest) -> None:
    """Check that each file is the one that was exported; remove those that are not taken."""
    paths = (path for path in into.rglob("*") if path.is_file())
    there = {path.relative_to(into).as_posix(): path for path in paths}
    del there[MANIFEST_FILE]
    check_sizes({name: path.stat().st_size for name, path in there.items()})
    for name in sorted({*there, *manifest.files}):
        path, known = there.get(name), manifest.files.get(name)
        if path is None or _digest(path) != known:
            raise unknown_file(name)
        if not is_imported(name, manifest.study):
            path.unlink()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def no_study_error() -> StoreError:
    """Return the error of a zip that holds no study."""
    return StoreError(
        "This zip holds no study.",
        why=f"A study.zip has a file {MANIFEST_FILE}, and this one does not, or it names no study.",
        fix="Export the study again, or bring the zip as images.",
    )
