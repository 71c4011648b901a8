"""Which file a table's cell means, however it is written."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

from imil.datasets.layout.words import split_word

# Folders of a path that a table may name.
MOST_FOLDERS = 8

_HASHED = re.compile(r"^[0-9a-f]{6,40}[-_](?=.)", re.IGNORECASE)
# A long number that a folder has letters before, as “s50414267”.
_LETTERED = re.compile(r"[a-z]{1,8}[_-]?(\d{5,})")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,5}(\.gz)?$")


def stem(name: str) -> str:
    """Return a path without the suffix of its file."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{_SUFFIX.sub('', file)}" if folder else _SUFFIX.sub("", file)


@dataclass(slots=True)
class _Ends:
    """Names by their last folders and file name, `parts` of them; made when first asked for.

    Attributes:
        names: "/"-separated paths.
        key: what of a name is compared.
        made: names by their ends, by the number of parts.
    """

    names: Sequence[str]
    key: Callable[[str], str] = str.lower
    made: dict[int, dict[str, list[str]]] = field(default_factory=dict)

    def find(self, path: str, least: int = 1) -> list[str]:
        """Return the names that share the longest end with a path."""
        pieces = path.split("/")
        for parts in range(min(len(pieces), 12), least - 1, -1):
            if found := self._of(parts).get("/".join(pieces[-parts:])):
                return found
        return []

    def _of(self, parts: int) -> dict[str, list[str]]:
        if parts not in self.made:
            ends: dict[str, list[str]] = {}
            for name in self.names:
                pieces = self.key(name).split("/")
                if len(pieces) >= parts:
                    ends.setdefault("/".join(pieces[-parts:]), []).append(name)
            self.made[parts] = ends
        return self.made[parts]


def _stem_key(name: str) -> str:
    return stem(name).lower()


def _number_key(name: str) -> str:
    return posixpath.basename(stem(name)).lstrip("0").lower() or "0"


@dataclass(frozen=True)
class Files:
    """Images as a table may call them.

    Attributes:
        names: "/"-separated paths.
        uids: paths by DICOM SOPInstanceUID, where they are known.
    """

    names: tuple[str, ...]
    uids: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str], uids: Mapping[str, str] | None = None) -> Files:
        """Return the ways in which files can be called."""
        return cls(tuple(sorted(names)), uids or {})

    @cached_property
    def _whole(self) -> dict[str, str]:
        return {name.lower(): name for name in self.names}

    @cached_property
    def _ends(self) -> _Ends:
        return _Ends(self.names)

    @cached_property
    def _stems(self) -> _Ends:
        return _Ends(self.names, _stem_key)

    @cached_property
    def _numbers(self) -> _Ends:
        return _Ends(self.names, _number_key)

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        below: dict[str, list[str]] = {}
        for name in self.names:
            folders = name.lower().split("/")[:-1][:MOST_FOLDERS]
            for first in range(len(folders)):
                for last in range(first + 1, len(folders) + 1):
                    below.setdefault("/".join(folders[first:last]), []).append(name)
                if folders[first].isdigit() and folders[first].startswith("0"):
                    # Spreadsheet programs take 007 for 7.
                    below.setdefault(folders[first].lstrip("0") or "0", []).append(name)
                elif numbered := _LETTERED.fullmatch(folders[first]):
                    below.setdefault(numbered[1], []).append(name)
        return below

    @cached_property
    def _starts(self) -> dict[str, list[str]]:
        starts: dict[str, list[str]] = {}
        for name in self.names:
            own = posixpath.basename(stem(name)).lower()
            for at, sign in enumerate(own):
                if at and sign in "_-. (" and own[at - 1] not in "_-. (":
                    starts.setdefault(own[:at], []).append(name)
        return starts

    def find(self, table: str, cell: str, kind: str) -> tuple[str, ...]:
        """Return the files that a cell means, in one way of writing; see `SURE_OF_MATCH`."""
        if not cell:
            return ()
        if "://" in cell:
            cell = re.split(r"[?#]", cell.partition("://")[2])[0]
        path = posixpath.normpath(cell.strip().strip("\"'").replace("\\", "/")).lower().lstrip("/")
        match kind:
            case "name":
                found = self._by_name(table, path)
            case "stem":
                found = self._by_stem(table, path)
            case "tail":
                found = self._by_tail(table, path)
            case "number":
                found = self._by_number(table, path)
            case "folder":
                found = self._by_folder(path)
            case "start":
                found = self._starts.get(posixpath.basename(path), [])
            case _:
                found = [self.uids[cell]] if cell in self.uids else []
        return tuple(found)

    def _by_name(self, table: str, path: str) -> list[str]:
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(table).lower(), path))
        if beside in self._whole:
            return [self._whole[beside]]
        return _nearest(table, self._ends.find(path))

    def _by_stem(self, table: str, path: str) -> list[str]:
        # Of a name with another suffix than the file's, and of one without.
        for called in (path, stem(path)):
            if found := _nearest(table, self._stems.find(called)):
                return found
        return []

    def _by_number(self, table: str, path: str) -> list[str]:
        own = re.sub(r"\.0$", "", posixpath.basename(stem(path)))
        number = own.lstrip("0") or "0"
        return _nearest(table, self._numbers.find(number)) if number.isdigit() else []

    def _by_tail(self, table: str, path: str) -> list[str]:
        base = _HASHED.sub("", posixpath.basename(path))
        if base == posixpath.basename(path):
            return []
        return _nearest(table, self._ends.find(base)) or self._by_stem(table, base)

    def _by_folder(self, path: str) -> list[str]:
        pieces = path.split("/")
        for first in range(len(pieces)):
            if found := self._folders.get("/".join(pieces[first:])):
                return found
        return []


# Ways of writing a file, the surest first, and how sure each is.
SURE_OF_MATCH = {
    "name": 1.0,
    "uid": 1.0,
    "stem": 0.95,
    "tail": 0.8,
    "number": 0.8,
    "folder": 0.7,
    "start": 0.6,
}


def _nearest(table: str, found: list[str]) -> list[str]:
    """Return the one file meant of several of a name: in the table's folder, or of its split."""
    if len(found) < 2:
        return found
    folder = posixpath.dirname(table)
    below = [name for name in found if not folder or name.startswith(f"{folder}/")]
    split = split_word(posixpath.basename(table)) or split_word(folder)
    fitting = [
        name for name in below or found if split and split_word(posixpath.dirname(name)) is split
    ]
    around = _nearest_folders(folder, fitting or below or found)
    for some in (below, fitting, around):
        if len(some) == 1:
            return some
    return found


def _nearest_folders(folder: str, found: list[str]) -> list[str]:
    """Return the files that share most of a table's folders, from the top."""

    def shared(name: str) -> int:
        pairs = zip(folder.lower().split("/"), name.lower().split("/")[:-1], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    most = max(map(shared, found))
    return [name for name in found if most and shared(name) == most]
