"""What the stand-in for the Hub holds: users, repos, commits and files, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import yaml

LARGE = (".safetensors", ".parquet", ".zip", ".npz", ".onnx", ".png", ".jpg")
# From this size on the Hub takes any file as a large one, bytes.
LARGE_BYTES = 10 * 2**20


@dataclass(frozen=True, slots=True)
class User:
    """Who a token belongs to, and what it may do: "write", "read" or, of OAuth, "own".

    `owners` are accounts and organisations whose repos the token reaches; none = all. An "own"
    token writes only to repos that it has made itself.
    """

    name: str
    role: str = "write"
    owners: tuple[str, ...] = ()

    def reaches(self, repo: str) -> bool:
        """Return whether the token may look into a private repo "kind/owner/name"."""
        return not self.owners or repo.split("/")[-2] in self.owners


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a repo; `large` ones are answered by the storage host."""

    data: bytes
    large: bool

    @property
    def etag(self) -> str:
        """Return the git blob hash of a small file, the sha256 of a large one."""
        if self.large:
            return hashlib.sha256(self.data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()  # noqa: S324  # git's


@dataclass(frozen=True, slots=True)
class Commit:
    """One state of all files; `oid` tells it from any other."""

    oid: str
    title: str
    user: str
    files: Mapping[str, StoredFile]


@dataclass(frozen=True, slots=True)
class Repo:
    """A repo and its past; a gated one tells what it has, but gives no file away.

    `maker` is the token that made it through the API; `made` is when, as the Hub writes it.
    """

    history: tuple[Commit, ...]
    private: bool = False
    gated: bool = False
    maker: str = ""
    made: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z")

    @property
    def files(self) -> Mapping[str, StoredFile]:
        """Return the files of the last commit."""
        return self.history[-1].files

    @property
    def commit(self) -> str:
        """Return the last commit's 40 hex digits."""
        return self.history[-1].oid

    def at(self, revision: str | None) -> Commit | None:
        """Return the commit of that name or of the one branch; None where there is none."""
        if revision in {None, "main"}:
            return self.history[-1]
        return next((made for made in self.history if made.oid == revision), None)

    def committed(self, files: Mapping[str, StoredFile], title: str, user: str) -> Repo:
        """Return the repo with one commit more."""
        return replace(self, history=(*self.history, commit(files, title, user, self.commit)))

    def squashed(self, title: str, user: str) -> Repo:
        """Return the repo without its past."""
        return replace(self, history=(commit(self.files, title, user, self.commit),))


def commit(files: Mapping[str, StoredFile], title: str, user: str, parent: str = "") -> Commit:
    """Return a commit; its name changes with its files, its title and what came before."""
    listing = "".join(f"{path} {file.etag}\n" for path, file in sorted(files.items()))
    content = f"{parent}\n{title}\n{listing}"
    return Commit(hashlib.sha256(content.encode()).hexdigest()[:40], title, user, dict(files))


def is_large(path: str, size: int, sample: bytes = b"") -> bool:
    """Return whether the Hub keeps a file outside git."""
    return path.endswith(LARGE) or size >= LARGE_BYTES or b"\0" in sample


def entry(commit: Commit, path: str) -> dict[str, object]:
    """Return how a listing shows a file, or a folder."""
    file = commit.files.get(path)
    if file is None:
        return {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}
    shown: dict[str, object] = {"type": "file", "path": path, "size": len(file.data)}
    if not file.large:
        return {**shown, "oid": file.etag}
    large = {"oid": file.etag, "size": len(file.data), "pointerSize": 130}
    return {**shown, "oid": "1" * 40, "lfs": large}


def is_folder(commit: Commit, path: str) -> bool:
    """Return whether files lie below a path."""
    return any(other.startswith(f"{path}/") for other in commit.files)


def card(commit: Commit) -> dict[str, object]:
    """Return what stands between the first two lines of dashes in the README."""
    file = commit.files.get("README.md")
    text = "" if file is None else file.data.decode()
    try:
        found = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else {}
    except yaml.YAMLError:
        found = {}
    return dict(found or {})
