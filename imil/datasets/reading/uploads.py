"""Uploads read by processes of their own: what a stranger's zip costs is bounded, and ends.

A zip that crashes a decoder, hangs or eats memory ends its own process, not the app. The process is
told what to do in one line of JSON, and answers with lines: how far it is, and what came of it.
"""

from __future__ import annotations

import gc
import json
import os
import secrets
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from errno import ENOMEM
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from imil.core.disk import NO_ROOM
from imil.datasets.archive.inspect import ArchiveSummary, inspect_archive
from imil.datasets.archive.read import read_archive, unpack, unpack_arrays
from imil.datasets.choices import Choices
from imil.datasets.deidentify import deidentify, deidentify_study
from imil.datasets.external import Target, as_external, external_images
from imil.datasets.listing import Listing, Skipped, listing_from_json, listing_to_json
from imil.datasets.matching import match_by_pixels
from imil.datasets.reading.line_process import LineProcess, limit_self
from imil.errors import DataError, ImilError, StoreError

# Uploads read at the same time, and looked into; others wait. Each keeps a core busy.
UPLOADS_AT_ONCE = 2
# Uploads that wait for their turn; more are refused, since each holds up who asked.
MOST_UPLOADS_WAITING = 8
# Address space of a process: one image of MAX_PIXELS with transparency, and the list of all.
_MEMORY = 3 * 2**30
# Seconds for one upload: to begin with, for each megabyte of it, and at most. A slow core reads
# half a megabyte of small images a second, and more of large ones; what takes far longer was made
# to. A hundred thousand small images take minutes.
LEAST_SECONDS, SECONDS_A_MEGABYTE, _LIMIT_SECONDS = 300.0, 20.0, 7200.0
# Seconds for a look, which reads tables and tries 256 MB.
LOOK_SECONDS = 60
# Seconds in which nothing is done, such as one more image, until a reading counts as stuck.
_SILENCE_SECONDS = 180.0
# Seconds after which whoever waits is asked whether to go on.
BEAT = 0.5
# Seconds between two messages of how far a reading is.
TELL_EVERY = 0.2
# Files of a study's images, and of its list of them, in a reading's folder.
IMAGES_FOLDER, LISTING = "images", "listing.json"

_Tell: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReadUpload:
    """What was read of an upload.

    Attributes:
        listing: of images without names, in the folder that was given.
        skipped: what was left out, by the names that the upload has; they are not to be kept.
    """

    listing: Listing
    skipped: tuple[Skipped, ...]


class _Places:
    """Room for `UPLOADS_AT_ONCE` at a time, and for `MOST_UPLOADS_WAITING` who wait."""

    def __init__(self) -> None:
        self._inside = threading.Semaphore(UPLOADS_AT_ONCE)
        self._there = threading.Semaphore(UPLOADS_AT_ONCE + MOST_UPLOADS_WAITING)

    @contextmanager
    def taken(self, on_progress: _Tell | None) -> Iterator[None]:
        """Wait for a free place; whoever waits can still be stopped.

        Raises:
            DataError: too many wait already.
        """
        if not self._there.acquire(blocking=False):
            raise DataError(
                "Too many uploads wait to be read.",
                why=f"{UPLOADS_AT_ONCE} are read at a time, and {MOST_UPLOADS_WAITING} wait.",
                fix="Try again in a few minutes.",
            )
        try:
            while not self._inside.acquire(timeout=BEAT):
                if on_progress is not None:
                    on_progress(0, 0)
            try:
                yield
            finally:
                self._inside.release()
        finally:
            self._there.release()


class UploadReader:
    """Reads uploads in processes of their own; safe to use from several threads.

    Args:
        limit: the most seconds for one upload.
        memory: bytes of one process.
    """

    def __init__(self, *, limit: float = _LIMIT_SECONDS, memory: int = _MEMORY) -> None:
        self._limit = limit
        self._memory = memory
        self._readings = _Places()
        self._looks = _Places()

    def look(self, archive: Path, work: Path, choices: Choices | None = None) -> ArchiveSummary:
        """Return what a zip holds, as `inspect_archive`; `work` and DataError are as in `read`."""
        asked = {"do": "look", "choices": _choices_to_json(choices or Choices())}
        with self._looks.taken(None):
            limit = min(LOOK_SECONDS, self._limit)
            return ArchiveSummary.of(self._done(archive, work, asked, limit, None))

    def read(
        self,
        archive: Path,
        work: Path,
        *,
        name: str,
        salt: str,
        seed: int,
        positive: str | None = None,
        choices: Choices | None = None,
        external: Target | None = None,
        on_progress: _Tell | None = None,
    ) -> ReadUpload:
        """Read the images of a zip, and write them without names into `work / IMAGES`.

        Args:
            archive: the zip.
            work: a folder for this reading alone, which the caller removes.
            name: of the study.
            salt: of the study's hashes.
            seed: of the splits that the data doesn't bring.
            positive: the task is this label against the rest.
            choices: answers, a table.
            external: of an external set, what its labels have to be; None for a study's own images.
            on_progress: told (done, total); what it raises ends the reading.

        Raises:
            DataError: as `read_archive` and `as_external`, or that reading took too much time or
                memory.
            StoreError: the disk is full.
        """
        asked = {
            "do": "read",
            "name": name,
            "salt": salt,
            "seed": seed,
            "positive": positive,
            "choices": _choices_to_json(choices or Choices()),
            "external": None if external is None else asdict(external),
        }
        with self._readings.taken(on_progress):
            said = self._done(archive, work, asked, self._limit, on_progress)
        listing = listing_from_json((work / LISTING).read_text("utf-8"), work / IMAGES_FOLDER)
        return ReadUpload(listing, tuple(Skipped(*each) for each in said["skipped"]))

    def put_back(
        self,
        archive: Path,
        work: Path,
        files: Mapping[str, Path],
        *,
        salt: str,
        choices: Choices,
        on_progress: _Tell | None = None,
    ) -> tuple[int, int, int]:
        """Put images of a zip where they are missing, as `imil.datasets.matching.match_by_pixels`.

        Returns:
            How many were put back, how many others there were, and files that can't be read.

        Raises:
            DataError: what is wrong with the zip, or that reading took too much time or memory.
            StoreError: the disk is full.
        """
        asked = {
            "do": "put back",
            "files": {sample_id: str(file.resolve()) for sample_id, file in files.items()},
            "salt": salt,
            "choices": _choices_to_json(choices),
        }
        with self._readings.taken(on_progress):
            said = self._done(archive, work, asked, self._limit, on_progress)
        return said["found"], said["others"], said["unreadable"]

    def _done(
        self,
        archive: Path,
        work: Path,
        asked: Mapping[str, Any],
        limit: float,
        on_progress: _Tell | None,
    ) -> dict[str, Any]:
        """Let a process do what is asked, and return its answer."""
        own = {"archive": str(archive.resolve()), "work": str(work.resolve())}
        size = archive.stat().st_size / 2**20 if archive.exists() else 0.0
        limit = min(limit, LEAST_SECONDS + SECONDS_A_MEGABYTE * size)
        bounds = {"memory": self._memory, "seconds": int(limit) + 1}
        with LineProcess("imil.datasets.reading.uploads", leads=True) as process:
            process.send({**asked, **own, **bounds})
            return _answer(process, archive.name, limit, on_progress)


def _answer(
    process: LineProcess, archive: str, limit: float, on_progress: _Tell | None
) -> dict[str, Any]:
    """Return what a process says at its end; an error if it is refused, stuck or breaks down."""
    told, end = (0, 0), time.monotonic() + limit
    heard = time.monotonic()
    while True:
        try:
            message = process.receive(BEAT)
        except TimeoutError:
            if time.monotonic() > min(end, heard + _SILENCE_SECONDS):
                raise _too_long(archive) from None
        else:
            heard = time.monotonic()
            if message is None:
                raise _broke_down(archive)
            if time.monotonic() > end:
                raise _too_long(archive)
            if "told" not in message:
                return _result(message, archive)
            told = (message["told"][0], message["told"][1])
        if on_progress is not None:
            on_progress(*told)


def _result(message: dict[str, Any], archive: str) -> dict[str, Any]:
    if "refused" in message:
        told = {key: message[key] for key in ("what", "why", "fix")}
        if message["refused"] == "store":
            raise StoreError(**told)
        raise DataError(**told, question=message.get("question", ""))
    if "full" in message:
        raise StoreError(
            f"“{archive}” can't be read.",
            why="The disk is full.",
            fix="Delete studies that are no longer needed, or bring fewer images.",
        )
    if "memory" in message:
        raise _broke_down(archive)
    if "fault" in message:
        raise RuntimeError(f"reading an upload failed: {message['fault']}")
    return message


def _too_long(archive: str) -> DataError:
    return DataError(
        f"Reading “{archive}” took too long.",
        why="Its files cost more time than an upload may take. Nothing of it was kept.",
        fix="Bring fewer or smaller images: several thousand of 1,000 pixels are plenty.",
    )


def _broke_down(archive: str) -> DataError:
    return DataError(
        f"“{archive}” can't be read.",
        why="One of its files crashes the program that reads it, or needs more memory than an "
        "upload may take. Nothing of it was kept.",
        fix="Leave out files that other programs can't open either, or bring fewer images.",
    )


def _choices_to_json(choices: Choices) -> dict[str, Any]:
    table = choices.table_file
    return {**asdict(choices), "table_file": None if table is None else str(table.resolve())}


def _choices_from_json(told: dict[str, Any]) -> Choices:
    table = told["table_file"]
    known = {
        "table_file": None if table is None else Path(table),
        "answers": tuple((key, value) for key, value in told["answers"]),
    }
    return Choices(**{**told, **known})


# ---- the process itself ----------------------------------------------------------------------


def _main() -> None:
    """Do what one line of the standard input asks for."""
    asked = json.loads(sys.stdin.readline())
    limit_self(memory=asked["memory"], cpu_seconds=asked["seconds"])
    warnings.simplefilter("ignore")
    # What is read is kept until the end, and looking through it for garbage often takes long.
    gc.set_threshold(200_000, 20, 100)
    # Decoders write to the standard output too: answers get one of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(message: Mapping[str, Any]) -> None:
        answers.write(f"{json.dumps(message)}\n")
        answers.flush()

    say(_said(asked, _Teller(say)))


def _said(asked: dict[str, Any], tell: _Tell) -> Mapping[str, Any]:
    # What is laid down meanwhile is removed by whoever asks, also after a crash.
    tempfile.tempdir = asked["work"]
    try:
        return _TASKS[asked["do"]](asked, Path(asked["archive"]), Path(asked["work"]), tell)
    except ImilError as error:
        kind = "store" if isinstance(error, StoreError) else "data"
        told = {"refused": kind, "what": error.what, "why": error.why, "fix": error.fix}
        return told | {"question": error.question} if isinstance(error, DataError) else told
    except MemoryError:
        return {"memory": True}
    except OSError as error:
        if error.errno in NO_ROOM:
            return {"full": True}
        return {"memory": True} if error.errno == ENOMEM else _fault(error)
    except Exception as error:  # noqa: BLE001  # the app says it, and goes on
        return {"memory": True} if _short_of_memory(asked["memory"]) else _fault(error)


def _short_of_memory(limit: int) -> bool:
    """Return whether this process has come near to its limit of memory, bytes.

    Then whatever fails does so for want of it: a thread that can't start, a module or a decoder
    that can't be loaded. Our choice: three quarters.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:  # no such file on other systems
        return False
    peak = next((line for line in status.splitlines() if line.startswith("VmPeak:")), "")
    return bool(peak) and int(peak.split()[1]) * 1024 >= limit * 3 // 4


def _fault(error: Exception) -> dict[str, Any]:
    """Return where a fault of ours happened, without its words, which may hold a file's name."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " > ".join(f"{Path(each.filename).name}:{each.lineno}" for each in frames)
    return {"fault": f"{type(error).__name__} at {where}"}


class _Teller:
    """Tells how far a reading is, not too often."""

    def __init__(self, say: Callable[[Mapping[str, Any]], None]) -> None:
        self._say = say
        self._told = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_EVERY or (total and done == total):
            self._told = now
            self._say({"told": [done, total]})


def _look(asked: dict[str, Any], archive: Path, work: Path, tell: _Tell) -> Mapping[str, Any]:  # noqa: ARG001  # as the others
    return asdict(inspect_archive(archive, _choices_from_json(asked["choices"])))


def _read(asked: dict[str, Any], archive: Path, work: Path, tell: _Tell) -> Mapping[str, Any]:
    named = read_archive(
        archive,
        work / f"brought-{secrets.token_hex(4)}",
        name=asked["name"],
        positive=asked["positive"],
        choices=_choices_from_json(asked["choices"]),
        seed=None if asked["external"] else asked["seed"],
        on_progress=partial(_half, tell, 0),
    )
    into, salt, writing = work / IMAGES_FOLDER, asked["salt"], partial(_half, tell, 1)
    if told := asked["external"]:
        named = as_external(named, Target(**{**told, "classes": tuple(told["classes"])}))
        images = external_images(named, channels=3)
        listing = deidentify(named, images, into, salt=salt, on_progress=writing)
    else:
        listing = deidentify_study(named, into, salt=salt, seed=asked["seed"], on_progress=writing)
    (work / LISTING).write_text(listing_to_json(listing), "utf-8")
    return {"skipped": [[skip.name, skip.reason] for skip in named.report.skipped]}


def _put_back(asked: dict[str, Any], archive: Path, work: Path, tell: _Tell) -> Mapping[str, Any]:
    folder = work / f"brought-{secrets.token_hex(4)}"
    report = unpack_arrays(archive, folder, on_progress=tell) or unpack(
        archive, folder, on_progress=tell
    )
    found, others = match_by_pixels(
        folder,
        {sample_id: Path(file) for sample_id, file in asked["files"].items()},
        salt=asked["salt"],
        choices=_choices_from_json(asked["choices"]),
        on_progress=tell,
    )
    return {"found": found, "others": others, "unreadable": len(report.lost)}


def _half(tell: _Tell, which: int, done: int, total: int) -> None:
    """Tell of the first half of a reading, in which images are read, or of that which writes."""
    tell((which * total + done) // 2, total)


_TASKS = {"look": _look, "read": _read, "put back": _put_back}

if __name__ == "__main__":
    _main()
