"""One set of claims that every adapter of the store keeps."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imil.errors import StoreError
from imil.store.base import Store
from imil.store.local import LocalStore, write_atomic
from imil.store.memory import MemoryStore

ADAPTERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "local": LocalStore,
}


@pytest.fixture(params=ADAPTERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return ADAPTERS[request.param](tmp_path)


def test_gives_back_what_was_written(store: Store) -> None:
    store.write("studies/a/study.json", b"one")

    assert store.read("studies/a/study.json") == b"one"


def test_says_none_only_where_there_is_nothing(store: Store) -> None:
    store.write("empty", b"")

    assert store.read("empty") == b""
    assert store.read("nothing") is None


def test_a_later_write_replaces(store: Store) -> None:
    store.write("a", b"one")
    store.write("a", b"two")

    assert store.read("a") == b"two"


def test_a_saved_record_is_never_overwritten(store: Store) -> None:
    store.add("data/masks/1.parquet", b"one")

    with pytest.raises(StoreError, match=r"already in the store.*name of its own"):
        store.add("data/masks/1.parquet", b"two")
    assert store.read("data/masks/1.parquet") == b"one"


def test_lists_names_below_a_prefix_in_order(store: Store) -> None:
    for name in ("b/2", "a/1", "b/1/x", "bc"):
        store.write(name, b"")

    assert store.names("b/") == ("b/1/x", "b/2")
    assert store.names("b") == ("b/1/x", "b/2", "bc")
    assert store.names("q/") == ()


@pytest.mark.parametrize("name", ["", "../a", "/a", "a//b", "a/../b", ".hidden", "a b", "a\nb"])
def test_a_name_that_could_leave_the_store_is_a_callers_bug(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        store.write(name, b"")


def test_a_file_where_a_folder_is_needed_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    with pytest.raises(StoreError, match=r"could not be saved.*IMIL_HOME"):
        LocalStore(tmp_path).write("a/b", b"")


def test_what_cannot_be_read_is_not_taken_for_missing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    with pytest.raises(StoreError, match=r"can't be read.*Nothing was changed"):
        LocalStore(tmp_path).read("a")


def test_a_full_disk_says_so_and_keeps_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.write("a", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"disk is full.*what was saved before is still there"):
        store.write("a", b"new")
    assert store.read("a") == b"old"
    assert store.names("") == ("a",)


def test_a_kill_in_the_middle_leaves_the_old_content_whole(tmp_path: Path) -> None:
    target = tmp_path / "a"
    write_atomic(target, b"old" * 1000)
    program = (
        "import os, sys, pathlib\n"
        "from imil.store import local\n"
        "local.os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        "local.write_atomic(pathlib.Path(sys.argv[1]), b'new' * 1000)\n"
    )

    killed = subprocess.run([sys.executable, "-c", program, str(target)], check=False)

    assert killed.returncode == -9
    assert target.read_bytes() == b"old" * 1000
    assert LocalStore(tmp_path).names("") == ("a",)
