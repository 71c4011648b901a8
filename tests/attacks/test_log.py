"""The log vouches for all that figures and masks rest on; nothing that is written can stop it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from imil.app.results.downloads import FILES, make_file
from imil.core.bounds import MOST_SECONDS
from imil.core.records import Region
from imil.errors import ImilError, MaskError, StoreError
from imil.report.parts import text
from imil.storage.codec import MaskRecord
from imil.storage.local import LocalStore
from imil.storage.records.acts import (
    Act,
    ActKind,
    act_file,
    acts_folder,
    chained,
    encode_act,
    read_act,
)
from imil.storage.records.studies import study_file
from imil.storage.sheets import csv_text, safe_cell
from imil.study.audit.act_log import ActLog
from imil.study.review.answers import WarmModels
from imil.study.study import Study
from tests.standins.compared import FORMULA, READERS, compared_study
from tests.standins.documents import ROOT
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained, corner
from tests.standins.untraining import opened

pytestmark = pytest.mark.slow

NOW = "2026-11-25T10:00:00+00:00"
STUDY = "a" * 32
# The longest that anything which must not wait may take, s: far less than a wait that hangs.
AT_ONCE = 30.0

Json = dict[str, Any]


class Home:
    """A home on disk with one study."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = LocalStore(folder / "state")
        self.study_id = ""

    def study(self) -> Study:
        """Open the study as an app that has just started."""
        return opened(self.folder, self.store).open(self.study_id)

    @property
    def work(self) -> Path:
        """The study's working folder."""
        return self.folder / "work" / "studies" / self.study_id

    @property
    def own(self) -> Path:
        """The folder of the study's own state."""
        return self.folder / "state" / "studies" / self.study_id


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A compared study; nobody writes to it."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.study_id = compared_study(home.folder, home.store).study_id
    return home


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    """A copy of the compared study, for one test."""
    copied = Home(tmp_path / "copy")
    shutil.copytree(made.folder, copied.folder)
    copied.study_id = made.study_id
    return copied


@pytest.fixture
def films(tmp_path: Path) -> Study:
    """A demo study whose model answers, on disk."""
    return as_if_trained(opened(tmp_path, LocalStore(tmp_path / "state")).demo())


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, change: Callable[[Json], object]) -> None:
    """Change a field of a JSON file."""
    saved = json.loads(path.read_bytes())
    change(saved)
    path.write_text(json.dumps(saved), encoding="utf-8")


def swap(saved: Json, field: str) -> None:
    """Swap what two images have in a list of images, of which the values differ."""
    one = saved["entries"][0]
    other = next(each for each in saved["entries"] if each[field] != one[field])
    one[field], other[field] = other[field], one[field]


def words(home: Home) -> str:
    """Return what the audit of a study that is opened now says is broken; "" for nothing."""
    try:
        broken = home.study().audit.check().broken
    except ImilError as error:  # it is not even opened
        return error.what
    return "" if broken is None else broken.told


# ---- what the log vouches for -------------------------------------------------------------------


def test_a_study_that_nobody_touched_is_intact_and_covered_whole(home: Home) -> None:
    found = home.study().audit.check()

    assert (found.broken, found.uncovered, found.waiting) == (None, (), 0)


@pytest.mark.parametrize("field", ["label", "split", "patient", "sample_id", "file", "width"])
def test_a_list_of_images_in_which_something_was_swapped_is_named(home: Home, field: str) -> None:
    if field == "width":
        edit(home.own / "listing.json", lambda saved: saved["entries"][0].update(width=23))
    else:
        edit(home.own / "listing.json", lambda saved: swap(saved, field))

    assert re.search("list of images that act 0 tells of|class|split|patient", words(home))
    assert words(home) != ""


def test_every_file_of_a_study_in_which_one_bit_is_another_is_found_out(home: Home) -> None:
    state = home.folder / "state"
    files = [path for path in state.rglob("*") if path.is_file() and path.name != "study.json"]
    silent = []
    for path in files:
        content = path.read_bytes()
        flip(path)
        if not words(home):
            silent.append(path.relative_to(state).as_posix())
        path.write_bytes(content)

    kinds = {path.parent.name if path.name != "listing.json" else "list" for path in files}
    assert {"acts", "rounds", "list"} <= kinds
    assert silent == []
    assert words(home) == ""


def test_every_file_of_a_study_that_is_gone_is_found_out(home: Home) -> None:
    state = home.folder / "state"
    files = [path for path in state.rglob("*") if path.is_file() and path.name != "study.json"]
    silent = []
    for path in files:
        content = path.read_bytes()
        path.unlink()
        if not words(home):
            silent.append(path.relative_to(state).as_posix())
        path.write_bytes(content)

    assert silent == []


def test_a_figure_that_was_changed_is_named_by_its_file(home: Home) -> None:
    (test,) = (home.own / "rounds").glob("*-test-1.json")
    edit(test, lambda saved: saved["arms"][0]["values"].update(accuracy=[1.0, 1.0]))

    assert test.name in words(home)


@pytest.mark.parametrize("file", ["first/logits.npy", "control-0/logits.npy", "*/readings-*.npz"])
def test_answers_of_a_trained_model_that_were_changed_are_named(home: Home, file: str) -> None:
    path = next((home.work / "segments" / "seed-0").glob(file))
    flip(path)

    assert f"answers of the segment “{path.parent.name}”" in words(home)


def test_a_model_that_was_trained_again_is_no_tampering_and_is_told_of(home: Home) -> None:
    first = home.work / "segments" / "seed-0" / "first"
    flip(first / "logits.npy")
    flip(first / "checkpoint.safetensors")

    found = home.study().audit.check()

    assert found.broken is None
    assert any("“first”" in told for told in found.uncovered)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: s["source"].update(positive="clear"), "source of images"),
        (lambda s: s["plan"].update(learning_rate=0.5), "another plan"),
        (lambda s: s["plan"].update(seed=7), "another plan"),
        (lambda s: s.update(test_openings=0), "fewer openings of the test set"),
        (lambda s: s["triage"].pop(), "other decisions on labels"),
        (lambda s: s["triage"][0].update(decision="keep"), "other decisions on labels"),
        (lambda s: s.update(unblinded=""), "readers are blind"),
    ],
)
def test_a_study_s_own_file_that_says_something_else_than_its_log_is_named(
    home: Home, change: Callable[[Json], object], named: str
) -> None:
    edit(home.own / "study.json", change)

    assert named in words(home)


def test_a_log_of_an_older_version_is_intact_and_says_what_it_does_not_cover(home: Home) -> None:
    acts = home.study().audit.check().acts
    for path in (home.own / "acts").iterdir():
        path.unlink()
    previous = ""
    log = ActLog(home.store, home.study_id)
    for act in acts:  # as acts were before: the masks and rounds alone have digests
        files = {
            name: digest
            for name, digest in act.details.get("files", {}).items()
            if "/masks/" in name or re.search(r"/rounds/.*[0-9n]\.json", name)
        }
        details = {k: v for k, v in act.details.items() if k not in {"files", "trained"}}
        log.append(replace(act, details=details | ({"files": files} if files else {})))
        previous = act.digest
    assert previous
    edit(home.own / "study.json", lambda saved: saved.update(head=None))

    found = home.study().audit.check()

    (told,) = found.uncovered
    assert found.broken is None
    assert found.acts[-1].what is ActKind.FILES_NOTED
    assert told.startswith(f"Act {found.acts[-1].seq} vouches for 5 files from then on")
    edit(home.own / "listing.json", lambda saved: swap(saved, "label"))
    assert f"list of images that act {found.acts[-1].seq} tells of" in words(home)


def test_what_was_decided_when_the_log_was_cut_off_by_a_kill_is_told_as_a_gap(home: Home) -> None:
    # Saved, and killed before the act was written.
    (last,) = (a for a in home.study().audit.check().acts if a.what is ActKind.EXCLUDED)
    image = last.sample_id
    edit(
        home.own / "study.json",
        lambda saved: saved["triage"].append(
            {"sample_id": "another", "decision": "exclude", "label": ""}
        ),
    )

    found = home.study().audit.check()

    gap = found.acts[-1]
    assert (found.broken, gap.what) == (None, ActKind.GAP)
    assert set(gap.details["triage"]) >= {image, "another"}


def test_an_opening_of_the_test_set_that_a_kill_kept_out_of_the_log_is_told_as_a_gap(
    home: Home,
) -> None:
    edit(home.own / "study.json", lambda saved: saved.update(test_openings=2))

    found = home.study().audit.check()
    again = home.study().audit.check()

    gap = found.acts[-1]
    assert (found.broken, gap.what, gap.details["openings"]) == (None, ActKind.GAP, 2)
    assert len(again.acts) == len(found.acts)
    edit(home.own / "study.json", lambda saved: saved.update(test_openings=1))
    assert "fewer openings of the test set" in words(home)


def test_a_study_whose_log_is_gone_whole_says_that_nothing_of_before_is_vouched_for(
    home: Home,
) -> None:
    shutil.rmtree(home.own / "acts")
    edit(home.own / "study.json", lambda saved: saved.update(head=None))

    found = home.study().audit.check()

    assert found.broken is None
    assert [act.what for act in found.acts][:2] == [ActKind.STUDY_BEGUN, ActKind.GAP]
    assert len(found.uncovered) >= 2


def test_an_audit_leaves_a_broken_log_as_it_was_found(home: Home) -> None:
    acts = sorted((home.own / "acts").iterdir())
    for path in acts[-6:]:
        path.unlink()
    before = [path.name for path in acts[:-6]]

    assert "cut off" in words(home)
    assert sorted(path.name for path in (home.own / "acts").iterdir()) == before


# ---- acts that nobody of us wrote ---------------------------------------------------------------


def forged(**changes: Any) -> bytes:
    """Return an act with a right digest and other values than ours ever have."""
    act = chained(Act(ActKind.SKIPPED, NOW, "Ada", "film_1"), seq=0, previous="0" * 64)
    content = json.loads(encode_act(act)) | changes
    del content["digest"]
    written = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    content["digest"] = hashlib.sha256(written.encode()).hexdigest()
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"time": 5},
        {"time": "yesterday"},
        {"who": ["Ada"]},
        {"who": "A" * 2**20},
        {"sample_id": None},
        {"seconds": "long"},
        {"seconds": True},
        {"p_before": {}},
        {"seq": 0.0},
        {"seq": True},
        {"what": "robbed"},
        {"details": []},
        {"details": {"files": ["data/masks/a"]}},
        {"details": {"files": {"data/masks/a": 5}}},
        {"details": {"mask": {}}},
        {"details": {"trained": 5}},
        {"details": {"trained": [{"segment": "a", "model": "b"}]}},
        {"details": {"triage": ["film_1"]}},
        {"details": {"not_written": 3}},
        {"details": {"acts": "many"}},
    ],
    ids=str,
)
def test_a_forged_act_with_a_right_digest_is_no_act(changes: Json) -> None:
    assert read_act(forged(**changes)) is None
    assert read_act(forged()) is not None


def test_an_act_of_deep_json_is_no_act() -> None:
    deep = b'{"schema_version":1,"details":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    assert read_act(deep) is None


@pytest.mark.parametrize(
    "act",
    [
        Act(ActKind.TRAINING_FINISHED, NOW, details={"plan": {"epochs": []}, "scores": 5}),
        Act(ActKind.TRAINING_FINISHED, NOW, details={"plan": [1]}),
        Act(
            ActKind.COMPARISON_FINISHED,
            NOW,
            details={"trained": [{"segment": "/etc", "model": "", "answers": {"passwd": "0"}}]},
        ),
        Act(ActKind.RELABELLED, NOW, details={"label": {"a": 1}}),
        Act(ActKind.GAP, NOW, details={"triage": {"film": [1, None]}}),
        Act(ActKind.STUDY_BEGUN, NOW, details={"source": 3}),
    ],
    ids=lambda act: f"{act.what}-{act.details}",
)
def test_whatever_an_act_tells_an_audit_ends_in_words(films: Study, act: Act) -> None:
    films.review.skip(films.queues.answers()[0].sample_id)
    films.audit._log.append(act)

    found = films.audit.check()

    assert found.acts[-1].what is act.what
    assert films.audit.check(whole=False).broken == found.broken


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "data/masks/../../x", "", "a b"])
def test_an_act_that_names_a_file_which_is_none_breaks_the_log_and_reads_nothing(
    films: Study, name: str
) -> None:
    films.review.skip(films.queues.answers()[0].sample_id)
    details = {"files": {name: "0" * 64}}
    films.audit._log.append(Act(ActKind.FILES_NOTED, NOW, details=details))

    broken = films.audit.check().broken

    assert broken is not None
    assert broken.seq == 2


# ---- numbers and names that can't be written ----------------------------------------------------


@pytest.mark.parametrize(
    "seconds",
    [math.inf, -math.inf, math.nan, -1.0, -1e308, 1e308, MOST_SECONDS * 1.01, 10**400, "7", None],
    ids=str,
)
def test_a_time_that_is_none_is_refused_in_words_and_nothing_is_kept(
    films: Study, seconds: Any
) -> None:
    one = films.queues.answers()[0].sample_id

    with pytest.raises(MaskError, match="The time that the mask took can't be kept"):
        films.review.submit(one, corner(films, one), reader="Ada", seconds=seconds)

    assert films.review.state(one) is None
    assert films.audit.check().acts == ()


@pytest.mark.parametrize("seconds", [0, np.float32(2.5), MOST_SECONDS])
def test_any_time_that_one_is_kept(films: Study, seconds: Any) -> None:
    sample_id = films.queues.answers()[0].sample_id

    films.review.submit(sample_id, corner(films, sample_id), reader="Ada", seconds=seconds)

    assert films.review.seconds_spent() == float(seconds)


def record(**changes: Any) -> MaskRecord:
    """Return a mask as it is kept."""
    values: Json = {"reader": "Ada", "seconds": 1.0, "round": 1, **changes}
    irrelevant: Region = np.ones((4, 4), np.bool_)

    return MaskRecord(
        study=STUDY,
        sample_id="film_1",
        irrelevant=irrelevant,
        label="a",
        prediction="b",
        confidence=0.5,
        time=datetime.fromisoformat(NOW),
        **values,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": math.inf},
        {"seconds": math.nan},
        {"seconds": -1.0},
        {"round": -1},
        {"round": 2**31},
        {"reader": "A" * 2**20},
    ],
    ids=str,
)
def test_no_door_makes_a_mask_that_can_not_be_written(changes: Json) -> None:
    with pytest.raises(ValueError, match="out of range"):
        record(**changes)


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -5.0, 1e308])
def test_a_store_that_holds_a_mask_with_no_time_opens_and_goes_on(
    films: Study, seconds: float, tmp_path: Path
) -> None:
    images = [offer.sample_id for offer in films.queues.answers()[:2]]
    for sample_id in images:
        films.review.submit(sample_id, corner(films, sample_id), reader="Ada", seconds=1)
    films.flush()
    state = tmp_path / "state"
    for path in (state / "data" / "masks").rglob("*.parquet"):  # as an older version kept it
        table = parquet.read_table(path)
        place = table.column_names.index("seconds")
        parquet.write_table(table.set_column(place, "seconds", pa.array([seconds])), path)
    shutil.rmtree(state / acts_folder(films.study_id))
    edit(state / study_file(films.study_id), lambda saved: saved.update(head=None))

    again = opened(tmp_path, LocalStore(state)).open(films.study_id)
    again.review.submit(images[0], corner(again, images[0])[::-1], reader="Bo", seconds=2)

    assert again.review.seconds_spent() == 2
    found = again.audit.check()
    assert found.broken is None
    assert ActKind.GAP in {act.what for act in found.acts}


@pytest.mark.parametrize(
    ("who", "organisation"),
    [("\ud800", "lab"), ("A" * 2**20, "lab"), ("Ada", "\ud800"), ("Ada", "A" * 2**23)],
    ids=["surrogate", "long", "surrogate inside", "long inside"],
)
def test_words_that_can_not_be_written_never_stop_the_log(
    films: Study, who: str, organisation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    films.audit.note(ActKind.SHARED, who=who, details={"organisation": organisation})
    films.review.skip(films.queues.answers()[0].sample_id)

    found = films.audit.check()

    whats = [act.what for act in found.acts]
    assert found.broken is None
    assert whats[-1] is ActKind.SKIPPED
    assert {ActKind.SHARED, ActKind.GAP} & set(whats)
    told = capsys.readouterr().err
    assert (ActKind.GAP in whats) == ("log could not be written" in told)
    assert films.study_id not in told
    assert organisation not in told


# ---- a writer that fails, or waits --------------------------------------------------------------


class FailingStore(MemoryStore):
    """A store that fails as `error` says; None for not at all."""

    error: BaseException | None = None

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:
        if self.error is not None and "/acts/" in name:
            raise self.error
        super().add(name, content, shown=shown)


ANYTHING = [
    StoreError("It is full.", why="A test says so.", fix="Wait."),
    OSError(28, "No space left on device"),
    ValueError("Out of range float values are not JSON compliant: inf"),
    KeyError("gone"),
    RuntimeError("can't start new thread"),
    MemoryError(),
    RecursionError(),
    AssertionError(),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
]
ANYTHING_AT_ALL = [*ANYTHING, SystemExit(1), KeyboardInterrupt()]


def kind(error: object) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", ANYTHING, ids=kind)
def test_whatever_the_store_raises_the_act_is_told_of_as_soon_as_it_can_be(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FailingStore()
    log = ActLog(store, STUDY)
    log.append(Act(ActKind.SKIPPED, NOW, "before"))
    store.error = error
    log.append(Act(ActKind.SKIPPED, NOW, "lost"))
    waiting = log.waiting
    store.error = None
    log.append(Act(ActKind.SKIPPED, NOW, "after"))

    found = log.read()

    assert waiting == 1
    assert found.broken is None
    assert [act.what for act in found.acts] == [ActKind.SKIPPED, ActKind.GAP, ActKind.SKIPPED]
    assert found.acts[1].details["not_written"][0]["who"] == "lost"
    assert kind(error) in capsys.readouterr().err


@pytest.mark.parametrize("error", ANYTHING_AT_ALL, ids=kind)
def test_whatever_is_raised_in_the_background_ends_no_writing_and_no_wait(
    error: BaseException,
) -> None:
    log = ActLog(MemoryStore(), STUDY)

    def fail() -> Act:
        raise error

    log.append(Act(ActKind.SKIPPED, NOW, "before"))
    log.later(Act(ActKind.ANSWERED, NOW, "lost"), fail)
    log.later(Act(ActKind.ANSWERED, NOW), lambda: Act(ActKind.ANSWERED, NOW, "made"))
    settled = log.flush(AT_ONCE)
    log.append(Act(ActKind.SKIPPED, NOW, "after"))

    told = [(act.what, act.who) for act in log.read().acts]
    assert settled
    assert (ActKind.ANSWERED, "made") in told
    assert (ActKind.GAP, "imil") in told
    assert told[-1] == (ActKind.SKIPPED, "after")


def test_a_log_that_no_thread_can_be_had_for_is_told_of_and_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = ActLog(MemoryStore(), STUDY)

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        log.later(Act(ActKind.ANSWERED, NOW, "lost"), lambda: Act(ActKind.ANSWERED, NOW))
    assert log.flush(AT_ONCE)
    log.append(Act(ActKind.SKIPPED, NOW))

    assert [act.what for act in log.read().acts] == [ActKind.GAP, ActKind.SKIPPED]


class Held(WarmModels):
    """Models of which a forward pass hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def _scores(self, *args: Any, **kwargs: Any) -> Any:
        self.go.wait(4 * AT_ONCE)
        return super()._scores(*args, **kwargs)


@pytest.fixture
def held(films: Study) -> Iterator[tuple[Study, Held]]:
    """A study whose model does not answer, and the model."""
    models = Held()
    services = replace(films.context.services, models=models)
    object.__setattr__(films.context, "services", services)
    yield films, models
    models.go.set()
    assert films.audit._log.flush(AT_ONCE)


def test_nothing_that_a_reader_does_waits_for_a_model_that_hangs(held: tuple[Study, Held]) -> None:
    study, models = held
    one, other, third = (offer.sample_id for offer in study.queues.answers()[:3])
    began = time.monotonic()

    study.review.submit(one, corner(study, one), reader="Ada", seconds=1)
    study.review.skip(other, reader="Ada")
    study.labels.exclude(third, reader="Ada")
    study.training.status()
    look, settled = study.audit.check(whole=False), study.audit._log.flush(0.1)
    took = time.monotonic() - began
    models.go.set()
    after = study.audit.check()

    assert took < AT_ONCE
    assert not settled
    assert [act.what for act in look.acts][1:] == [
        ActKind.MASK_ACCEPTED,
        ActKind.SKIPPED,
        ActKind.EXCLUDED,
    ]
    assert look.waiting == 1
    assert (after.waiting, after.acts[-1].what) == (0, ActKind.ANSWERED)


# ---- what a look costs --------------------------------------------------------------------------


class Counted(LocalStore):
    """A store that counts what is read."""

    reads = 0

    def read(self, name: str) -> bytes | None:
        self.reads += 1
        return super().read(name)

    def names(self, prefix: str) -> tuple[str, ...]:
        found = super().names(prefix)
        self.reads += len(found)
        return found


def reads(store: Counted, act: Callable[[], object]) -> int:
    """Return how many files an act reads or lists."""
    before = store.reads
    act()
    return store.reads - before


def test_a_look_reads_as_much_of_a_long_log_as_of_a_short_one(tmp_path: Path) -> None:
    store = Counted(tmp_path / "state")
    study = as_if_trained(opened(tmp_path, store).demo())
    images = [offer.sample_id for offer in study.queues.answers()]
    looks = []
    for turn in range(4):
        for sample_id in images[: 10 * turn + 1]:
            study.review.skip(sample_id)
        study.audit.check(whole=False)
        looks.append(reads(store, lambda: study.audit.check(whole=False)))

    assert len(study.audit.check().acts) > 60
    assert looks == [looks[0]] * 4
    assert looks[0] <= 2
    assert reads(store, study.audit.check) > 60


@pytest.mark.parametrize("last", [False, True], ids=["inside", "last"])
def test_a_change_is_seen_by_a_look_at_the_end_of_the_log_and_everywhere_when_asked_for(
    tmp_path: Path, last: bool
) -> None:
    store = LocalStore(tmp_path / "state")
    study = as_if_trained(opened(tmp_path, store).demo())
    for offer in study.queues.answers()[:3]:
        study.review.skip(offer.sample_id)
    assert study.audit.check().broken is None
    flip(tmp_path / "state" / act_file(study.study_id, 3 if last else 1))

    look, whole, later = (
        study.audit.check(whole=False),
        study.audit.check(),
        study.audit.check(whole=False),
    )

    assert (look.broken is not None) is last
    assert whole.broken is not None
    assert later.broken == whole.broken


def test_a_mask_that_came_after_the_last_look_is_checked_by_the_next(films: Study) -> None:
    one, other = (offer.sample_id for offer in films.queues.answers()[:2])
    films.review.submit(one, corner(films, one), reader="Ada", seconds=1)
    assert films.audit.check().broken is None
    films.review.submit(other, corner(films, other), reader="Ada", seconds=1)
    store: Any = films.context.store._store  # type: ignore[attr-defined]  # the one on disk
    flip(store._root / films.context.masks.name_of(other))

    assert films.audit.check(whole=False).broken is not None


# ---- tables for spreadsheet programs ------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1+1", "'\t=1+1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("＝1+1", "'＝1+1"),
        ("-inf", "'-inf"),
        ("-0.5", "-0.5"),
        ("+1e-05", "+1e-05"),
        ("Ada", "Ada"),
        ("a=1", "a=1"),
        ("", ""),
        (-0.5, -0.5),
        (-3, -3),
        (None, ""),
    ],
)
def test_a_cell_is_never_a_formula_and_a_number_stays_one(cell: object, written: object) -> None:
    assert safe_cell(cell) == written


def test_every_table_of_a_study_whose_names_are_formulas_is_safe(home: Home) -> None:
    study = home.study()
    tables = {}
    for what in ("agreement", *FILES, *text.RECORD_FILES):
        if what not in {"study", "study_light", "onnx"}:
            name, content = make_file(study, what)
            if name.endswith((".csv", ".tsv")):
                tables[name] = content.decode()

    cells = [c for each in tables.values() for row in csv.reader(io.StringIO(each)) for c in row]
    assert len(tables) == 4
    assert FORMULA in study.images.classes
    assert "'" + READERS[0] in cells
    assert not [c for c in cells if c[:1] in set("=+-@\t\r\n") and not re.match(r"[+-]?[\d.]+", c)]


def test_no_table_is_written_anywhere_else() -> None:
    # Films and arrays: our own names and numbers alone.
    own = {
        "imil/storage/sheets.py",
        "imil/synthetic/films.py",
        "imil/datasets/archive/arrays.py",
    }
    writers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "imil").rglob("*.py")
        if re.search(r"csv\.writer|DictWriter|\.to_csv|write_csv", path.read_text("utf-8"))
    }

    assert writers == own


def test_a_table_quotes_what_a_cell_may_hold() -> None:
    assert csv_text([("a", 'b"c'), (1, "=2,3")]) == 'a,"b""c"\n1,"\'=2,3"\n'
