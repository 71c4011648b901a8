"""One set of claims that every adapter of the store keeps."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imil.errors import StoreError
from imil.storage.base import Saved, Store, is_record, is_study_id, new_record, study_of
from imil.storage.local import LocalStore, write_atomic
from tests.standins.fakehub import FakeHub
from tests.standins.memory_store import MemoryStore
from tests.storage.hub_disks import hub_store

ADAPTERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "local": LocalStore,
}


@pytest.fixture(params=[*ADAPTERS, "hub"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param != "hub":
        yield ADAPTERS[request.param](tmp_path)
        return
    with FakeHub() as hub, hub_store(hub, tmp_path) as made:
        yield made


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


RECORDS = (
    "data/masks/202611/20261101T120000000002-aa-abc.parquet",
    "data/masks/202611/20261101T120000000001-bb-abc.parquet",
    "data/runs/202610/20261031T120000000000-cc-abc.parquet",
)
OTHERS = (
    "data/masks/202611/20261101T120000000003-dd-abcd.parquet",
    "studies/abcd/study.json",
)


def test_a_studys_records_come_in_the_order_of_their_time(store: Store) -> None:
    for name in (*RECORDS, *OTHERS, "studies/abc/study.json"):
        store.write(name, b"one")

    assert store.of_study("abc") == (RECORDS[2], RECORDS[1], RECORDS[0])
    assert store.of_study("nobody") == ()


def test_a_study_is_forgotten_whole_and_alone(store: Store) -> None:
    for name in (*RECORDS, *OTHERS, "studies/abc/study.json", "studies/abc/rounds/x.json"):
        store.write(name, b"one")

    store.forget("abc")
    store.forget("nobody")

    assert store.names("") == OTHERS
    assert store.of_study("abc") == ()


@pytest.mark.parametrize(
    ("name", "study"),
    [
        (RECORDS[0], "abc"),
        ("studies/abc/rounds/x.json", "abc"),
        ("studies/abc", None),
        ("README.md", None),
        ("data/masks/seed.parquet", None),
    ],
)
def test_a_name_tells_its_study(name: str, study: str | None) -> None:
    assert study_of(name) == study


def test_a_new_record_is_named_by_time_and_study() -> None:
    moment = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)

    names = {new_record("masks", "abc", moment) for _ in range(20)}

    assert len(names) == 20
    assert all(study_of(name) == "abc" and is_record(name) for name in names)
    assert all(name.startswith("data/masks/202611/20261101T123000000000-") for name in names)


@pytest.mark.parametrize("name", ["", "../a", "/a", "a//b", "a/../b", ".hidden", "a b", "a\nb"])
def test_a_name_that_could_leave_the_store_is_a_callers_bug(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        store.write(name, b"")


def test_what_stays_on_this_machine_says_so(tmp_path: Path) -> None:
    assert MemoryStore().saved("abc") == LocalStore(tmp_path).saved("abc") == Saved(repo=None)


def test_what_cannot_be_removed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.write(RECORDS[0], b"one")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(StoreError, match=r"can't be removed.*delete the study again"):
        store.forget("abc")
    assert store.read(RECORDS[0]) == b"one"


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
        "from imil.storage import local\n"
        "local.os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        "local.write_atomic(pathlib.Path(sys.argv[1]), b'new' * 1000)\n"
    )

    killed = subprocess.run([sys.executable, "-c", program, str(target)], check=False)

    assert killed.returncode == -9
    assert target.read_bytes() == b"old" * 1000
    assert LocalStore(tmp_path).names("") == ("a",)


def test_says_which_names_there_are(store: Store) -> None:
    store.write("studies/a/study.json", b"one")

    assert store.there(["studies/a/study.json", "studies/b/study.json"]) == {"studies/a/study.json"}


@pytest.mark.parametrize(
    "value",
    [
        "é",
        "abcé",
        "٣",
        "ⅷ",
        "",
        "a/b",
        "../a",
        "a.b",
        "a\n",
        "\x00",
        "a" * 65,
        None,
        3,
        ["a"],
        b"a",
    ],
)
def test_a_study_is_called_by_ascii_letters_and_digits_alone(value: object) -> None:
    assert not is_study_id(value)
    assert is_study_id("0123456789abcdefABCDEF")
