"""A study's records in few files, so that an empty disk has a study again in few requests.

A pack is a zip of names in the store. Only the last one grows. Each disk fills packs of its own, so
that two processes which write to one data set never replace each other's.
"""

from __future__ import annotations

import io
import secrets
import zipfile
from collections.abc import Mapping

from imil.storage.base import check_name, is_record, study_of
from imil.storage.codec import damaged
from imil.storage.local import LocalStore

# A pack takes so many records or bytes: few requests to read a study, little to send again with
# every record that is added.
PACK_RECORDS = 256
PACK_BYTES = 4 * 2**20
# A record above this size stays on its own; a pack then only names it.
RECORD_BYTES = 2**20
# Where a pack keeps the names of those; no name in the store begins like it.
_ELSEWHERE = "_elsewhere/"
# Zips know no time before it; a pack of the same records is the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def is_pack(path: str) -> bool:
    """Return whether a path in the data set is that of a pack."""
    return path.rpartition("/")[2].startswith("pack-") and path.endswith(".zip")


class Packs:
    """The packs that this disk fills, kept on it as they were last sent or are about to be."""

    def __init__(self, kept: LocalStore) -> None:
        self._kept = kept
        self._disk = _disk(kept)

    def take(self, study_id: str, records: Mapping[str, bytes]) -> dict[str, bytes]:
        """Put a study's records into its packs; return those that hold any of them, by path.

        A record that was taken before is not taken again: its pack is returned as it is.
        """
        left, touched = dict(records), {}
        own = self._kept.names(f"studies/{study_id}/pack-{self._disk}-")
        last: bytes | None = None
        for path in own:
            last = self._kept.read(path)
            there = _names(last)
            if there & left.keys() and last is not None:
                touched[path] = last
            left = {name: content for name, content in left.items() if name not in there}
        # One that can't be read is left behind: its records were sent when it could be.
        number = len(own) - 1 if _names(last) else len(own)
        while left:
            path = f"studies/{study_id}/pack-{self._disk}-{number:03d}.zip"
            content, taken = _filled(self._kept.read(path), left)
            if taken:
                self._kept.write(path, content)
                touched[path] = content
            left = {name: record for name, record in left.items() if name not in taken}
            number += 1
        return touched

    def forget(self, study_id: str) -> None:
        """Remove a study's packs from this disk."""
        self._kept.forget(study_id)


def _disk(kept: LocalStore) -> str:
    """Return what tells this disk's packs from those of any other."""
    found = kept.read("disk")
    if found is None:
        found = secrets.token_hex(4).encode()
        kept.write("disk", found)
    return found.decode()


def _filled(pack: bytes | None, records: Mapping[str, bytes]) -> tuple[bytes, set[str]]:
    """Return the pack with as many of the records as it takes, and their names."""
    sink = io.BytesIO(pack or b"")
    taken: set[str] = set()
    with zipfile.ZipFile(sink, "a", zipfile.ZIP_STORED) as archive:
        number = len(archive.namelist())
        for name, content in records.items():
            size = sink.getbuffer().nbytes
            if number + len(taken) >= PACK_RECORDS or (size >= PACK_BYTES and number + len(taken)):
                break
            alone = is_record(name) and len(content) > RECORD_BYTES
            path, stored = (_ELSEWHERE + name, b"") if alone else (name, content)
            archive.writestr(zipfile.ZipInfo(path, _NO_TIME), stored)
            taken.add(name)
    return sink.getvalue(), taken


def _names(pack: bytes | None) -> set[str]:
    """Return what a pack of this disk's names; nothing for one that can't be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(pack or b"")) as archive:
            return {path.removeprefix(_ELSEWHERE) for path in archive.namelist()}
    except zipfile.BadZipFile:
        return set()


def read_pack(study_id: str, pack: bytes) -> dict[str, bytes | None]:
    """Return what a pack holds, by name; None for a record that lies elsewhere.

    Raises:
        StoreError: the pack is damaged, or holds what is not of this study.
    """
    what = "A pack of a study's records"
    try:
        with zipfile.ZipFile(io.BytesIO(pack)) as archive:
            found: dict[str, bytes | None] = {}
            for path in archive.namelist():
                name = check_name(path.removeprefix(_ELSEWHERE))
                if study_of(name) != study_id:
                    raise damaged(what)
                found[name] = None if path.startswith(_ELSEWHERE) else archive.read(path)
            return found
    except (zipfile.BadZipFile, ValueError, OSError) as cause:
        raise damaged(what) from cause
