"""What a `study.zip` must hold: all of it is read and checked before anything of it is kept."""

from __future__ import annotations

import io
import re
import sys
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field

from imil.core.arms.registry import parse_arms
from imil.core.arms.variants import CONTROL
from imil.core.bounds import (
    LARGEST_SEED,
    LONGEST_TEXT,
    MOST_FILMS,
    MOST_SEEDS,
    MOST_TRAININGS,
)
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, Round
from imil.core.images import ImageSet
from imil.core.plans import check_plan
from imil.core.records import MOST_ROUNDS, LabelDecision, Plan, Split, Triage
from imil.core.review.readers import reader_name
from imil.core.training.fit import initial_state, restore
from imil.datasets.deidentify import numbered, pixel_id
from imil.datasets.files.pixels import MAX_IMAGE_PIXELS, PixelsError, read_pixels
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import HubChoice
from imil.datasets.listing import Entry, Listing, listing_from_json
from imil.errors import ImilError, StoreError
from imil.storage.base import Store, study_of
from imil.storage.codec import BOMBS, damaged, decode_checkpoint, decode_masks, read_json, read_rows
from imil.storage.records.acts import ActKind, ChainHead
from imil.storage.records.cases import load_cases
from imil.storage.records.runs import decode_run_rows
from imil.storage.records.studies import (
    Comparison,
    StudyRecord,
    load_round,
    load_study,
    lost_listing,
)
from imil.storage.values import from_json
from imil.study.audit.act_log import ActLog
from imil.study.audit.trail import Audit, audit_chain
from imil.synthetic.films import FilmSpec

STUDY_ZIP = "This study.zip"
# Above what any study of ours has. The largest JSON file is the list of 100,000 images, of 40 MB.
MOST_JSON = 128 * 2**20
MOST_TABLE = 256 * 2**20
MOST_STATE = 2 * 2**30
MOST_NOTICES = 1000
# All masks of a study are in memory while it is open, a byte a pixel.
MOST_MASKED_PIXELS = 2 * 10**9
# Longer names of studies are cut.
_LONGEST_NAME = 200
_ID = r"[A-Za-z0-9]{1,64}"

# What is taken of a zip, below "state/studies/<id>/", "state/data/" and "work/".
_OWN = re.compile(
    r"study\.json|listing\.json|acts/\d{8}\.json|rounds/[0-9a-z-]{1,80}(\.json|-images\.parquet)\Z"
)
_RECORD = re.compile(rf"(masks|runs)/\d{{6}}/(?P<time>\d{{8}}T\d{{12}})-[0-9a-f]+-{_ID}\.parquet\Z")
_SEGMENT = r"segments/seed-\d{1,10}/"
_WORK = re.compile(
    r"images/.+|weights/[A-Za-z0-9_]+\.safetensors"
    rf"|{_SEGMENT}[^/]+/(checkpoint\.safetensors|logits\.npy|machines\.json|seconds\.json)"
    rf"|{_SEGMENT}first/dynamics/epoch-\d{{4}}\.npy"
    rf"|{_SEGMENT}[^/]+/readings-probe-[a-z0-9-]+\.npz|{_SEGMENT}probe-[a-z0-9-]+\.npz"
    rf"|{_SEGMENT}masks-[^/]+/(rows|images|masks|predicted)\.npy"
    rf"|{_SEGMENT}(triage-[0-9a-f]+|folds/train-\d+)\.npy\Z"
)
# What a zip may have and what is never taken: whose the study was, and copies of its images that
# left for a data set because somebody agreed to that there.
_LEFT = re.compile(rf"(studies/{_ID}/(owner|images)\.json|data/images/\d{{6}}/[^/]+\.parquet)\Z")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a `study.zip` says of itself.

    Attributes:
        study: the id that its files use.
        images: whether the images can be had: they are inside, or drawn anew.
        files: SHA-256 by name in the zip.
        head: the last act of its log; None for an empty log.
        broken: how the log was broken when it was exported; None where it was intact.
    """

    study: str
    images: bool
    files: Mapping[str, str]
    head: ChainHead | None = None
    broken: str | None = None


def is_imported(name: str, study_id: str) -> bool:
    """Return whether a file of a `study.zip` is imported.

    Raises:
        StoreError: the zip must not have such a file.
    """
    kind, _, rest = name.partition("/")
    if kind == "work":
        return _WORK.fullmatch(rest) is not None
    if kind != "state" or study_of(rest) != study_id:
        raise unknown_file(name)
    if is_exported(rest, study_id):
        found = _RECORD.fullmatch(rest.removeprefix("data/"))
        if found is None or _is_time(found["time"]):
            return True
    if _LEFT.fullmatch(rest):
        return False
    raise unknown_file(name)


def is_exported(name: str, study_id: str) -> bool:
    """Return whether a file of a study's state goes into its `study.zip`."""
    own = f"studies/{study_id}/"
    if name.startswith(own):
        return _OWN.fullmatch(name.removeprefix(own)) is not None
    return _RECORD.fullmatch(name.removeprefix("data/")) is not None


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Raise a StoreError if the state of a study has more bytes than it can have, by name."""
    state = {name: size for name, size in sizes.items() if name.startswith("state/")}
    for name, size in state.items():
        if size > (MOST_JSON if name.endswith(".json") else MOST_TABLE):
            raise damaged(STUDY_ZIP)
    if sum(state.values()) > MOST_STATE:
        raise damaged(STUDY_ZIP)


def checked_record(state: Store, study_id: str) -> StudyRecord:
    """Return the study of a zip as it may be kept: fields that are known, each of them checked.

    What is a right and no fact is left out: nobody has agreed here that its images leave.

    Raises:
        StoreError: there is none, or a field is not what it can be.
    """
    record = load_study(state, study_id)
    if record is None or record.study_id != study_id:
        raise damaged(STUDY_ZIP)
    with _in_words():
        checked = replace(
            record,
            name=_name(record.name),
            source=_source(record.source),
            plan=check_plan(record.plan),
            consent=None,
            origin_id="",
        )
        _require(len(record.notices) <= MOST_NOTICES)
        _require(all(reader_name(who) == who for who in record.skips))
        _require(len(record.earlier) <= MOST_ROUNDS)
        for asked in _asked(record):
            _check_comparison(asked)
        if record.confirmation is not None:
            _require(len(record.confirmation.masks) <= LONGEST_TEXT)
            _require(reader_name(record.confirmation.reader) == record.confirmation.reader)
    return checked


def checked_listing(record: StudyRecord, content: bytes | None, folder: Path) -> Listing:
    """Return the list of a study's images, each of them looked at where it is there.

    Args:
        record: of the study.
        content: of the list; None where the zip has none.
        folder: of the images.

    Raises:
        StoreError: there is no list, or it, or an image, is not what it can be.
    """
    if content is None:
        raise lost_listing(record.name)
    with _in_words():
        listing = listing_from_json(content.decode(), folder)
    _check_listing(listing)
    _check_images(listing, record.salt)
    return listing


def _check_listing(listing: Listing) -> None:
    ids = [entry.sample_id for entry in listing.entries]
    with _in_words():
        _require(len(set(ids)) == len(ids) and all(ids))
        _require(len(set(listing.classes)) == len(listing.classes))
        _require(listing.positive is None or listing.positive in listing.classes)
        for entry in listing.entries:
            _check_entry(entry, listing.classes)


def _check_images(listing: Listing, salt: str) -> None:
    seen: Counter[str] = Counter()
    for entry in listing.entries:
        if not entry.file.exists():
            continue
        try:
            pixels = read_pixels(entry.file)
        except PixelsError as cause:
            raise _unreadable(entry.sample_id) from cause
        size, grey = pixels.shape[:2], pixels.ndim == 2  # (H, W) has no colour
        known = not salt or numbered(pixel_id(pixels, salt), seen) == entry.sample_id
        if size != (entry.height, entry.width) or grey != entry.grey or not known:
            raise _unreadable(entry.sample_id)


def check_review(
    state: Store, record: StudyRecord, images: ImageSet, size_of: Callable[[str], tuple[int, int]]
) -> None:
    """Raise a StoreError if masks, decisions or passed-over images don't fit the study's images.

    Args:
        state: of the zip.
        record: of the study, checked.
        images: of the study.
        size_of: from an image's id to (height, width).
    """
    known = {sample.sample_id: sample for sample in images.samples}
    names = set()
    pixels = 0
    with _in_words():
        for name in state.of_study(record.study_id):
            content = state.read(name) or b""
            if name.startswith("data/masks/"):
                names.add(name)
                pixels += _check_masks(content, record.study_id, known, size_of)
                _require(pixels <= MOST_MASKED_PIXELS)
            else:
                decode_run_rows(content)
        for skipped in record.skips.values():
            _require(all(each in known for each in skipped))
        for triage in (record.triage, *(asked.triage for asked in _asked(record))):
            _check_triage(triage, images)
        for asked in _asked(record):
            _require(set(asked.masks) <= names)


def check_rounds(state: Store, record: StudyRecord, images: ImageSet) -> None:
    """Raise a StoreError if a saved comparison, or the answers beside it, can't be shown."""
    folder = f"studies/{record.study_id}/rounds/"
    names = state.names(folder)
    for name in names:
        if not name.endswith(".json"):
            continue
        key = name.removeprefix(folder).removesuffix(".json")
        found = load_round(state, record.study_id, key=key)
        if found is None:
            raise damaged(STUDY_ZIP)
        with _in_words():
            samples = [s for s in images.samples if s.split is found.split]
            _check_round(found, images)
            cases = load_cases(state, record.study_id, key=key, classes=images.classes)
            if cases is not None:
                _require(cases.sample_ids == tuple(s.sample_id for s in samples))
                _require(cases.labels.tolist() == [s.label for s in samples])
                _require(cases.seeds == found.seeds)
                _require({arm.arm for arm in found.arms} == set(cases.predicted))
                for each in cases.confidence.values():
                    _require(bool(((each >= 0) & (each <= 1)).all()))
    rounds = {name for name in names if name.endswith(".json")}
    if any(n.replace("-images.parquet", ".json") not in rounds for n in names):
        raise damaged(STUDY_ZIP)


def check_log(state: Store, record: StudyRecord, manifest: Manifest) -> Audit:
    """Return the study's log; StoreError where it was changed after the zip was written."""
    heads = [head for head in (record.head, manifest.head) if head is not None]
    found = audit_chain(state, ActLog(state, record.study_id).read(heads))
    require_unchanged(found, manifest)
    return found


def require_unchanged(found: Audit, manifest: Manifest) -> None:
    """Raise a StoreError if an audit finds what was changed after the zip was written.

    A study that was broken before that is let through: the zip says so, and so does its audit.
    """
    if found.broken is not None and manifest.broken is None:
        raise StoreError(
            f"This study.zip was changed: {found.broken.told}",
            why="Each act of the log carries a digest of the one before, and of the files that it "
            "tells of, so that a later change shows.",
            fix="Use an untouched copy of the zip, or export the study again.",
        )


def with_openings(record: StudyRecord, log: Audit) -> StudyRecord:
    """Return the study with its test set opened at least as often as its log tells."""
    told = sum(act.what is ActKind.TEST_OPENED for act in log.acts)
    return replace(record, test_openings=max(record.test_openings, told))


def check_work(work: Path, record: StudyRecord, images: ImageSet) -> None:
    """Raise a StoreError if a model, or what it answered, is not one of this study's plan."""
    fits = _Fits(record.plan, images)
    for path in sorted(each for each in work.rglob("*") if each.is_file()):
        name = path.relative_to(work).as_posix()
        if name.startswith("images/") or not _WORK.fullmatch(name):
            continue
        try:
            fits.check(name, path)
        except ImilError:
            raise
        # What a decoder makes of a stranger's bytes can be anything; all of it means the same.
        except Exception as cause:
            raise damaged(f"“{path.name}” in this study.zip") from cause


def read_whole(read: Callable[[], None]) -> None:
    """Read a study as its page does; whatever fails then is a StoreError."""
    try:
        read()
    except ImilError:
        raise
    except Exception as cause:
        # No content: where it failed, for the maintainers.
        last = traceback.extract_tb(cause.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        sys.stderr.write(f"A study.zip was refused: {type(cause).__name__} in {where}.\n")
        raise damaged(STUDY_ZIP) from cause


def unknown_file(name: str) -> StoreError:
    """Return the error of a file that no study.zip has, or that is not as it was exported."""
    return StoreError(
        f"This study.zip was changed: “{name}” is not as it was exported.",
        why="Each file's digest was written down when it was, and this one has another or none.",
        fix="Use an untouched copy of the zip, or export the study again.",
    )


def _unreadable(sample_id: str) -> StoreError:
    """Return the error of an image in the zip that is not the listed one."""
    return StoreError(
        f"The image “{sample_id}” in this study.zip can't be used.",
        why="It can't be read, or is another image than the study's list names.",
        fix="Use an untouched copy of the zip, or export the study again.",
    )


# ---- inside -------------------------------------------------------------------------------------


@contextmanager
def _in_words() -> Iterator[None]:
    """Raise the error of a damaged zip for a value that can't be, whoever finds it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, OSError, *BOMBS) as cause:
        raise damaged(STUDY_ZIP) from cause


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("a value that can't be")


def _is_time(stamp: str) -> bool:
    try:
        datetime.strptime(stamp, "%Y%m%dT%H%M%S%f")  # noqa: DTZ007  # only whether it is one
    except ValueError:
        return False
    return True


def _name(written: str) -> str:
    shown = "".join(sign if sign.isprintable() else " " for sign in written)
    return " ".join(shown.split())[:_LONGEST_NAME] or "Study"


def _asked(record: StudyRecord) -> tuple[Comparison, ...]:
    return tuple(each for each in (*record.earlier, record.comparison) if each is not None)


def _check_comparison(asked: Comparison) -> None:
    _require(parse_arms(asked.arms) == asked.arms)
    _require(1 <= len(asked.seeds) <= MOST_SEEDS and len(set(asked.seeds)) == len(asked.seeds))
    _require(all(0 <= seed <= LARGEST_SEED + MOST_SEEDS for seed in asked.seeds))
    _require(len(asked.arms) * len(asked.seeds) <= MOST_TRAININGS)
    _require(all(reader_name(who) == who for who in asked.readers))


Word = Annotated[str, Field(max_length=LONGEST_TEXT)]


@dataclass(frozen=True, slots=True)
class _Demo:
    kind: Literal["demo"]
    films: FilmSpec
    version: int = 1
    trained: Word = ""


@dataclass(frozen=True, slots=True)
class _Pixels:
    frame: int | None = None
    preset: int = 1
    black_corners: bool = False


@dataclass(frozen=True, slots=True)
class _Archive:
    kind: Literal["archive"]
    positive: Word | None = None
    pixels: _Pixels | None = None


@dataclass(frozen=True, slots=True)
class _Hub:
    kind: Literal["hub"]
    repo: Word
    positive: Word | None = None
    asked: HubRequest | None = None


_SOURCES = {"demo": _Demo, "archive": _Archive, "hub": _Hub}


def _source(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return where images come from, as far as it is known what it means."""
    kind: type[_Demo | _Archive | _Hub] = _SOURCES[saved["kind"]]
    source = from_json(kind, saved)
    told = asdict(source)
    match source:
        case _Demo():
            _require(source.films.images <= MOST_FILMS)
        case _Hub():
            told |= asdict(from_json(HubChoice, saved))
            if source.asked is not None:
                _require(1 <= source.asked.limit <= MOST_FILMS)
                told["asked"] = asdict(replace(source.asked, token=None))
    return {name: each for name, each in told.items() if name in saved or name == "positive"}


def _check_entry(entry: Entry, classes: Sequence[str]) -> None:
    _require(entry.label in classes and entry.relevant_file is None)
    _require(
        entry.width > 0 and entry.height > 0 and entry.width * entry.height <= MAX_IMAGE_PIXELS
    )
    texts = (entry.sample_id, entry.label, entry.patient or "", entry.group or "")
    _require(all(len(each) <= LONGEST_TEXT for each in texts))


def _check_masks(
    content: bytes,
    study_id: str,
    known: Mapping[str, Any],
    size_of: Callable[[str], tuple[int, int]],
) -> int:
    """Return how many pixels the masks of a file have; ValueError for one that fits no image."""
    rows = read_rows("A file of masks", content, 1, most=1)
    for row in rows:
        # The size is told before a pixel is decoded.
        with Image.open(io.BytesIO(row["mask"]["bytes"]), formats=["PNG"]) as header:
            _require(header.size[::-1] == size_of(row["image_name"]))
    records = decode_masks(content)
    _require(len(records) == 1)
    for mask in records:
        _require(mask.study == study_id and known[mask.sample_id].split is Split.TRAIN)
        _require(0 <= mask.seconds < float("inf") and 0 <= mask.confidence <= 1)
        _require(0 <= mask.round <= MOST_ROUNDS)
        _require(mask.reader in {"", reader_name(mask.reader)} and mask.time.tzinfo is not None)
        _require(all(type(each) is str for each in (mask.label, mask.prediction, mask.source)))
        _require(mask.image is None and mask.edited_image is None)
    return sum(mask.irrelevant.size for mask in records)


def _check_triage(triage: Sequence[Triage], images: ImageSet) -> None:
    for each in triage:
        _require(images.sample(each.sample_id).split is Split.TRAIN)
        relabelled = each.decision is LabelDecision.RELABEL
        _require(each.label in images.classes if relabelled else not each.label)


def _check_round(found: Round, images: ImageSet) -> None:
    """Check that all of a round's figures are of the same arms, seeds, classes and images."""
    names, seeds = [arm.arm for arm in found.arms], len(found.seeds)
    _require(found.split is not Split.TRAIN and 1 <= seeds <= MOST_SEEDS)
    _require(found.images == len(images.rows(found.split)))
    _require(found.training_images == len(images.rows(Split.TRAIN)))
    _require(bool(names) and names[0] == CONTROL and len(set(names)) == len(names))
    _require(len(found.masked) == seeds)
    _require(all(reader_name(who) == who for who in found.readers))
    for arm in found.arms:
        _check_arm(arm, seeds, len(images.classes))
    _require(all(name in names for name in found.variants))
    headline = {Metric.ACCURACY, Metric.BALANCED_ACCURACY}
    _require({each.arm for each in found.paired} == set(names[1:]))
    _require(len(found.paired) == len(names) - 1)
    for paired in found.paired:
        _require(headline <= set(paired.differences) and headline <= set(paired.levels))
        _require(len(paired.mcnemar) in {0, seeds})
    if found.advice is not None:
        candidates = [each.name for each in found.advice.candidates]
        _require({found.advice.chosen.name, *found.advice.chosen.tied} <= set(candidates))
        _require({*candidates, *found.advice.chosen.not_eligible} <= set(names))
        for candidate in found.advice.candidates:
            each = (candidate.accuracy, candidate.independent, candidate.swapped_balanced_accuracy)
            _require(all(len(values) == seeds for values in each))


def _check_arm(arm: ArmFigures, seeds: int, classes: int) -> None:
    _require(set(arm.values) == set(arm.figures) == set(Metric))
    _require(all(len(each) == seeds for each in arm.values.values()))
    _require(all(len(each) == seeds for each in arm.swapped_values.values()))
    _require(set(arm.swapped) == set(arm.swapped_values))
    _require(len(arm.confusion) == classes and len(arm.masks) in {0, seeds})
    _require(all(len(row) == classes and min(row) >= 0 for row in arm.confusion))
    _require(len(arm.classes) in {0, classes})
    _require(arm.worst_group is None or arm.worst_group in arm.groups)
    for found in arm.explanations:
        _require(all(len(each) == seeds for each in found.values.values()))


class _Fits:
    """Checks the files of models and answers against the plan and images of their study."""

    def __init__(self, plan: Plan, images: ImageSet) -> None:
        self._plan = plan
        self._images = images
        self._classes = len(images.classes)
        self._train = len(images.rows(Split.TRAIN))

    def check(self, name: str, path: Path) -> None:
        """Raise any exception if the file under that name is not what its name says."""
        rows, classes = len(self._images), self._classes
        side, channels = self._plan.size, self._images.channels
        shapes: dict[str, tuple[type[np.generic], tuple[int | None, ...]]] = {
            "logits.npy": (np.float32, (rows, classes)),
            "rows.npy": (np.int64, (None,)),
            "images.npy": (np.uint8, (None, channels, side, side)),
            "masks.npy": (np.bool_, (None, side, side)),
            "predicted.npy": (np.bool_, (rows, side, side)),
        }
        if path.name in shapes:
            self._array(path, *shapes[path.name])
        elif "/dynamics/" in name:
            self._array(path, np.float32, (self._train, classes))
        elif "/folds/" in name:
            self._rows(self._array(path, np.int64, (None,)))
        elif path.name.startswith("triage-"):
            self._rows(self._array(path, np.int64, (2, None))[0])
        elif path.suffix == ".npz":
            self._answers(path)
        elif path.suffix == ".json":
            self._told(path)
        elif path.parent.name == "weights":
            _require(path.stem == self._plan.backbone)
            content = path.read_bytes()
            initial_state(self._plan, classes=classes, channels=channels, pretrained=content)
        else:
            self._checkpoint(path)
        if path.name == "logits.npy":
            _require((path.parent / "checkpoint.safetensors").exists())
            _require(bool(np.isfinite(np.load(path, mmap_mode="r", allow_pickle=False)).all()))
        if path.name == "rows.npy":
            self._masked(path.parent)

    def _array(self, path: Path, kind: type[np.generic], shape: tuple[int | None, ...]) -> Any:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        _require(found.dtype == np.dtype(kind) and len(found.shape) == len(shape))
        # An arm that is given no mask has arrays of none, of no size.
        fits = zip(found.shape, shape, strict=True) if len(found) else ()
        _require(all(wanted is None or size == wanted for size, wanted in fits))
        return found

    def _rows(self, rows: Any) -> None:
        _require(bool(((rows >= 0) & (rows < len(self._images))).all()))

    def _masked(self, folder: Path) -> None:
        rows = np.load(folder / "rows.npy", allow_pickle=False)
        self._rows(rows)
        for name in ("images", "masks"):
            _require(len(np.load(folder / f"{name}.npy", allow_pickle=False)) == len(rows))

    def _answers(self, path: Path) -> None:
        """Check each array of a probe, or of what it was answered, by what it can be at most."""
        most = max(len(self._images), 1) * max(self._plan.size**2, 64 * self._classes) + 2**16
        with zipfile.ZipFile(path) as archive:
            _require(all(entry.file_size <= most for entry in archive.infolist()))
        with np.load(path, allow_pickle=False) as saved:
            for each in saved.files:
                found = saved[each]
                _require(found.dtype.kind in "biuf")
                if each in {"rows", "donors"} and path.name.startswith("probe-"):
                    self._rows(found)

    def _told(self, path: Path) -> None:
        """Check where a segment was trained, or how long each epoch took."""
        content = path.read_bytes()
        _require(len(content) <= 2**20)
        if path.name == "machines.json":
            # A list; what is in it is an object each.
            told = read_json(STUDY_ZIP, b'{"machines":' + content + b"}")["machines"]
            from_json(tuple[dict[str, str], ...], told)
        else:
            seconds = from_json(dict[str, float], read_json(STUDY_ZIP, content))
            _require(all(int(epoch) > 0 for epoch in seconds))

    def _checkpoint(self, path: Path) -> None:
        plan, state, _ = decode_checkpoint(path.read_bytes())
        _require(replace(self._plan, seed=plan.seed) == plan)
        _require((state.classes, state.channels) == (self._classes, self._images.channels))
        restore(plan, state)
        floats = (each for each in state.tensors.values() if each.is_floating_point())
        _require(all(bool(torch.isfinite(each).all()) for each in floats))


def sizes_of(record: StudyRecord, listing: Listing | None) -> Callable[[str], tuple[int, int]]:
    """Return what tells the (height, width) of an image; KeyError for one that is not listed."""
    if listing is None:
        side = FilmSpec(**record.source["films"]).size
        return lambda _: (side, side)
    return {entry.sample_id: (entry.height, entry.width) for entry in listing.entries}.__getitem__
