"""Hostile `study.zip`s: whatever is in one, it is refused in words or opens whole.

Zips that are damaged as zips, and entries that lead out of their folder, are attacked in
tests/datasets/archive/test_archive.py; what a sound one keeps is in
tests/study/library/test_studyzip.py.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from imil.errors import ImilError
from imil.storage.base import study_of
from imil.storage.codec import decode_masks, encode_masks
from imil.storage.records.accounts import ListedStudy, account_key, load_listed, owner_of
from imil.study.library.accounts import Account, Accounts
from imil.study.library.demo import demo_films
from imil.study.library.zips.study_zip import MANIFEST_FILE
from imil.study.study import Study
from imil.synthetic.films import FilmSpec
from tests.standins.fakehub import FakeHub
from tests.standins.memory_store import MemoryStore
from tests.standins.sound_zip import (
    Files,
    as_of,
    files_of,
    page_reads,
    redigested,
    sound_study,
    studies_in,
    zipped,
)
from tests.storage.hub_disks import hub_store, until

MUTATIONS = 500
# In place of a value in a JSON file, where it is then written as it can't be by a parser.
DEEP = "\N{WHITE SMILING FACE}deep"
ALICE = Account("u-1", "alice")


@dataclass
class Home:
    """A home that imports: its store, its folder, and how often what came of it."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.studies = studies_in(self.folder, self.store)

    def kept(self) -> tuple[dict[str, bytes | None], list[str]]:
        """Return all that is kept, in the store and in the working folder."""
        files = {name: self.store.read(name) for name in self.store.names("")}
        work = (p for p in (self.folder / "work").rglob("*") if p.is_file())
        return files, sorted(path.relative_to(self.folder).as_posix() for path in work)

    def bring(self, files: Files) -> Study | None:
        """Import a zip; None where it was refused in words, and then nothing of it is kept."""
        before = self.kept()
        try:
            return self.studies.import_zip(zipped(self.folder / "brought.zip", files))
        except ImilError:
            assert self.kept() == before
            return None

    def opens_whole_or_not_at_all(self, files: Files) -> bool:
        """Import a zip and read the study as its page does; return whether it was taken."""
        study = self.bring(files)
        self.counts["refused" if study is None else "opened"] += 1
        if study is None:
            return False
        page_reads(study)
        assert study.audit.check().broken is None
        assert study.backup.consent is study.context.record.consent is None
        assert owner_of(self.store, study.study_id) == ""
        self.studies.delete(study.study_id)
        return True


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a sound zip."""
    home = tmp_path_factory.mktemp("sound")
    sound_study(home).export(home / "study.zip")
    return files_of(home / "study.zip")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    yield Home(folder)
    shutil.rmtree(folder)


def own_id(files: Files) -> str:
    found: str = json.loads(files[MANIFEST_FILE])["study"]
    return found


def first(files: Files, part: str) -> str:
    """Return the first name that has these words in it."""
    return next(name for name in sorted(files) if part in name)


# ---- any mutation -------------------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where each value of a JSON value stands."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        # Long lists are all of a kind.
        for index in sorted({*range(min(3, len(value))), len(value) - 1} - {-1}):
            yield from places(value[index], (*path, index))


def put(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """Change a JSON value where a path leads, and return it."""
    if not path:
        holder: list[Any] = [value]
        change(holder, 0)
        return holder[0] if holder else None
    at = value
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return value


numbers = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.5, 1e308, -1e-9, float("nan"), float("inf"), 2**31, 2**63, 10**40]),
)
words = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "../..", "a" * 100_000, "=1+1", "<script>", "\0", "cuda", "hub", "demo"]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, words, st.just(DEEP)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def written(value: Any) -> bytes:
    """Return JSON text, deep where it is to be."""
    text = json.dumps(value)
    return text.replace(json.dumps(DEEP), "[" * 50_000 + "]" * 50_000).encode()


def with_field(draw: Callable[[Any], Any], files: Files) -> Files:
    """Replace, remove or add a field of a JSON file."""
    name = draw(st.sampled_from(sorted(name for name in files if name.endswith(".json"))))
    value = json.loads(files[name])
    path = draw(st.sampled_from(list(places(value))))
    how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
    new = draw(values)

    def change(at: Any, key: Any) -> None:
        if how == "replace":
            at[key] = new
        elif how == "remove":
            del at[key]
        elif isinstance(at, dict):
            at[draw(st.text(max_size=5))] = new
        else:
            at.insert(key, new)

    changed = files | {name: written(put(value, path, change))}
    return changed if name == MANIFEST_FILE else redigested(changed)


def with_bytes(draw: Callable[[Any], Any], files: Files) -> Files:
    """Flip, cut off, insert or repeat bytes of a file."""
    name = draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name])
    at = draw(st.integers(0, max(0, len(content) - 1)))
    how = draw(st.sampled_from(["flip", "flip", "cut", "insert", "repeat"]))
    if how == "flip" and content:
        content[at] ^= 1 << draw(st.integers(0, 7))
    elif how == "cut":
        del content[at:]
    elif how == "insert":
        content[at:at] = draw(st.binary(min_size=1, max_size=9))
    else:
        content[at:at] = content[at : at + 64] * 4
    changed = files | {name: bytes(content)}
    return changed if name == MANIFEST_FILE else redigested(changed)


def with_files(draw: Callable[[Any], Any], files: Files) -> Files:
    """Add, remove, swap, copy or rename whole files."""
    names = sorted(name for name in files if name != MANIFEST_FILE)
    one, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    own, changed = f"state/studies/{own_id(files)}/", dict(files)
    how = draw(st.sampled_from(["add", "remove", "swap", "copy", "rename"]))
    if how == "add":
        new = draw(
            st.sampled_from(
                [
                    *(f"{own}{kind}.json" for kind in ("account", "owner", "tombstone", "images")),
                    *(f"{own}{kind}" for kind in ("acts/00000099.json", "rounds/x.json", "x.bin")),
                    f"state/accounts/{ALICE.key}.json",
                    f"state/studies/{ALICE.key}/account.json",
                    "state/data/masks/202611/20261130T000000000000-00000000-other.parquet",
                    "work/weights/film_net.safetensors",
                    "work/segments/seed-0/first/dynamics/epoch-0001.npy",
                    "work/images/x.png",
                    "work/used",
                    "elsewhere/x",
                    "x",
                ]
            )
        )
        changed[new] = draw(st.sampled_from([b"", b"{}", b"[]", files[other]]))
    elif how == "remove":
        del changed[one]
    elif how == "swap":
        changed[one], changed[other] = files[other], files[one]
    elif how == "copy":
        changed[one] = files[other]
    else:
        changed[draw(st.sampled_from([f"{one}x", other, f"{one}/x", one.upper()]))] = changed.pop(
            one
        )
    return redigested(changed)


HOW = [with_field, with_field, with_bytes, with_files]


@given(data=st.data())
@settings(
    max_examples=MUTATIONS,
    deadline=None,
    derandomize=True,
    database=None,
    # What fails is told as it is: to make it smaller would take minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def mutations(home: Home, sound: Files, data: st.DataObject) -> None:
    """Bring one zip that differs from the sound one."""
    home.opens_whole_or_not_at_all(data.draw(st.sampled_from(HOW))(data.draw, sound))


def test_any_mutation_of_a_sound_zip_is_refused_in_words_or_opens_and_passes_its_audit(
    home: Home, sound: Files
) -> None:
    home.counts.clear()

    mutations(home, sound)

    assert home.counts["refused"] + home.counts["opened"] >= MUTATIONS
    # Otherwise nothing but the first check would have been attacked.
    assert home.counts["opened"] >= MUTATIONS // 20


def test_the_sound_zip_itself_is_taken(home: Home, sound: Files) -> None:
    assert home.opens_whole_or_not_at_all(redigested(sound))


# ---- whose a study is ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "study_id", [ALICE.key, account_key("organisation", "o-1"), "f" * 32, "A", "x" * 64]
)
def test_a_zip_that_claims_an_id_gets_a_new_one(
    sound: Files, tmp_path: Path, study_id: str
) -> None:
    home = Home(tmp_path)
    accounts = Accounts(home.store)
    victim = home.bring(sound)
    assert victim is not None
    accounts.keep(ALICE, _listed(victim), own=True)
    before, _ = home.kept()

    # The log was written under the true id, so that a claimed one breaks it: as if there were none.
    forged = as_of(_without_log(sound), study_id)
    study = home.bring(forged)

    assert study is not None
    assert study.study_id != study_id
    study.export(tmp_path / "again.zip")
    assert not any(
        "account" in name or "owner" in name for name in files_of(tmp_path / "again.zip")
    )
    home.studies.delete(study.study_id)
    after, _ = home.kept()
    assert {name: after.get(name) for name in before} == before
    assert accounts.studies(ALICE) == (_listed(victim),)


@pytest.mark.parametrize("study_id", ["..", "../../x", "", "a/b", "é", "x" * 65, "a-b", " "])
def test_a_zip_that_claims_what_is_no_id_is_refused(
    home: Home, sound: Files, study_id: str
) -> None:
    about = json.loads(sound[MANIFEST_FILE]) | {"study": study_id}

    assert home.bring(sound | {MANIFEST_FILE: json.dumps(about).encode()}) is None


def test_no_list_owner_or_tombstone_comes_in_with_a_zip(sound: Files, tmp_path: Path) -> None:
    home = Home(tmp_path)
    own = f"state/studies/{own_id(sound)}/"
    owner = json.dumps({"schema_version": 1, "account": ALICE.key}).encode()
    listed = json.dumps({"schema_version": 1, "studies": []}).encode()

    taken = home.bring(redigested(sound | {f"{own}owner.json": owner}))
    refused = [
        home.bring(redigested(sound | {name: listed}))
        for name in (
            f"{own}account.json",
            f"{own}tombstone.json",
            f"state/accounts/{'a' * 32}.json",
        )
    ]

    assert taken is not None
    assert owner_of(home.store, taken.study_id) == ""
    assert refused == [None, None, None]


def test_consent_never_travels(sound: Files, tmp_path: Path) -> None:
    home = Home(tmp_path)
    name = f"state/studies/{own_id(sound)}/study.json"
    consent = {"repo": "owner/state", "who": "dr", "time": "2026-11-30T00:00:00+00:00"}
    record = json.loads(sound[name]) | {"consent": consent}
    shards = b'{"schema_version": 1, "shards": []}'
    listed = name.replace("study.json", "images.json")

    study = home.bring(redigested(sound | {name: json.dumps(record).encode(), listed: shards}))

    assert study is not None
    assert study.context.record.consent is None
    assert not any("images.json" in each for each in home.store.names(""))


def test_openings_of_the_test_set_that_the_log_tells_of_can_not_be_taken_back(
    sound: Files, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    name = f"state/studies/{own_id(sound)}/study.json"
    record = json.loads(sound[name])
    assert record["test_openings"] == 1

    study = home.bring(
        redigested(sound | {name: json.dumps(record | {"test_openings": 0}).encode()})
    )

    assert study is not None
    assert study.context.record.test_openings == 1


def test_a_list_of_an_older_version_is_found_but_none_that_lies_beside_a_study() -> None:
    store = MemoryStore()
    older = f"studies/{ALICE.key}/account.json"
    kept = {"study_id": "5" * 32, "name": "Lungs", "created": "2026-11-01T00:00:00+00:00"}
    store.write(older, json.dumps({"schema_version": 1, "studies": [kept]}).encode())

    assert [each.study_id for each in load_listed(store, ALICE.key)] == ["5" * 32]
    Accounts(store).forget(ALICE, "5" * 32)
    assert load_listed(store, ALICE.key) == ()
    assert store.names("accounts/") == (f"accounts/{ALICE.key}.json",)

    bob = Account("u-2", "bob")
    store.write(f"studies/{bob.key}/account.json", store.read(older) or b"")
    store.write(f"studies/{bob.key}/study.json", b"{}")
    assert Accounts(store).studies(bob) == ()


def test_a_study_reads_nothing_but_its_own(sound: Files, tmp_path: Path) -> None:
    """An act names a file by its digest: which other study has that very file must not show."""
    home = Home(tmp_path)
    victim, study = home.bring(sound), home.bring(sound)
    assert victim is not None
    assert study is not None
    name = f"studies/{victim.study_id}/study.json"

    assert home.store.read(name) is not None
    assert study._store.read(name) is None
    assert study._store.there([name]) == frozenset()
    assert study._store.names(f"studies/{victim.study_id}/") == ()
    with pytest.raises(ValueError, match="not a name of this study"):
        study._store.write(name, b"{}")
    assert study_of(name) == victim.study_id


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_imported_study_comes_back_from_the_data_set_after_a_lost_disk(
    sound: Files, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "study.zip", sound)
    with FakeHub() as hub:
        with hub_store(hub, tmp_path / "a") as store:
            study = studies_in(tmp_path / "a", store).import_zip(path)
            study.flush()
            until(lambda: study.saved.waiting == 0 and study.saved.ago is not None)
            acts, masks = study.audit.check().acts, study.review.records()
        with hub_store(hub, tmp_path / "b") as store:
            again = studies_in(tmp_path / "b", store).open(study.study_id)
            found = again.audit.check()
            published = again.audit.compare_published()

    assert (found.acts, found.broken) == (acts, None)
    assert len(again.review.records()) == len(masks) == 4
    assert published is not None
    assert published.head == acts[-1].head
    assert own_id(sound) not in "".join(store._local.names(""))


# ---- what fills the memory ----------------------------------------------------------------------


def test_a_mask_of_a_huge_picture_is_refused_before_it_is_decoded(
    home: Home, sound: Files, tmp_path: Path
) -> None:
    name = first(sound, "/data/masks/")
    path = tmp_path / "huge.png"
    Image.new("1", (30_000, 30_000)).save(path)
    table = parquet.read_table(pa.BufferReader(sound[name]))
    huge = pa.array([{"bytes": path.read_bytes(), "path": None}], table.schema.field("mask").type)
    at = table.schema.get_field_index("mask")

    assert (
        home.bring(redigested(_unlogged(sound, name, table.set_column(at, "mask", huge)))) is None
    )


def test_a_table_of_a_few_bytes_that_stands_for_millions_of_rows_is_refused(
    home: Home, sound: Files
) -> None:
    for part, many in (("/data/masks/", 20_000_000), ("/data/runs/", 20_000_000)):
        name = first(sound, part)
        columns = parquet.read_table(pa.BufferReader(sound[name])).schema.names
        table = pa.table({each: pa.array(np.zeros(many, np.int8)) for each in columns[:1]})

        assert home.bring(redigested(_unlogged(sound, name, table))) is None


def test_a_text_that_is_written_once_for_many_rows_is_refused(home: Home, sound: Files) -> None:
    name = first(sound, "/data/runs/")
    row = parquet.read_table(pa.BufferReader(sound[name])).slice(0, 1).to_pylist()[0]
    many = 100_000
    table = pa.table(
        {
            key: pa.DictionaryArray.from_arrays(np.zeros(many, np.int32), ["x" * 500_000])
            if key == "arm"
            else pa.array([value]).take(pa.array(np.zeros(many, np.int64)))
            for key, value in row.items()
        }
    )

    assert home.bring(redigested(_unlogged(sound, name, table))) is None


def test_a_mask_of_another_size_than_its_image_is_refused(home: Home, sound: Files) -> None:
    name = first(sound, "/data/masks/")
    (mask,) = decode_masks(sound[name])
    other = encode_masks([type(mask)(**_fields(mask) | {"irrelevant": np.ones((3, 3), np.bool_)})])

    assert home.bring(redigested(_without_log(sound) | {name: other})) is None


def test_a_list_of_images_may_not_claim_more_pixels_than_are_read(home: Home, sound: Files) -> None:
    name = first(sound, "/listing.json")
    listing = json.loads(sound[name])
    for entry in listing["entries"]:
        entry["width"] = entry["height"] = 100_000
    without = {n: c for n, c in _without_log(sound).items() if not n.startswith("work/")}

    assert home.bring(redigested(without | {name: json.dumps(listing).encode()})) is None


def test_a_comparison_that_would_train_for_ever_is_refused(sound: Files, tmp_path: Path) -> None:
    home = Home(tmp_path)
    name = first(sound, "/study.json")
    for seeds in (range(10_000), [0.5], [-1], [0, 0]):
        record = json.loads(sound[name])
        record["comparison"]["seeds"] = list(seeds)

        assert home.bring(redigested(sound | {name: json.dumps(record).encode()})) is None


@pytest.mark.parametrize(
    "other", [{"shortcut": 0.9500001}, {"seed": 1_000_001}, {"label_noise": 1e-9}]
)
def test_films_that_a_zip_asks_for_never_lie_in_the_folder_of_other_films(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    """Studies of equal films share their working images: those of nearly equal ones must not."""
    own = FilmSpec(images=20, size=32, shortcut=0.95, seed=1_000_000)

    folders = {demo_films(spec, tmp_path).cache for spec in (own, replace(own, **other))}

    assert len(folders) == 2


def _listed(study: Study) -> ListedStudy:
    return ListedStudy(study.study_id, study.name, "")


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _without_log(files: Files) -> Files:
    """Return the files as of a study without a log, and without a head that it must contain."""
    left = {name: content for name, content in files.items() if "/acts/" not in name}
    name = first(left, "/study.json")
    record = json.loads(left[name]) | {"head": None}
    about = json.loads(left[MANIFEST_FILE]) | {"head": None}
    return left | {name: json.dumps(record).encode(), MANIFEST_FILE: json.dumps(about).encode()}


def _unlogged(files: Files, name: str, table: pa.Table) -> Files:
    """Return the files without a log, and with a table in place of one."""
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    return _without_log(files) | {name: sink.getvalue().to_pybytes()}
