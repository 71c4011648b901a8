from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from imil.errors import StoreError
from imil.storage.base import tombstone_file
from imil.storage.codec import MaskRecord
from imil.storage.hub.outbox import Pace
from imil.storage.hub.store import HubStore, beside_app, side_folder
from imil.storage.local import LocalStore
from imil.storage.records.accounts import ListedStudy, account_key, load_listed, save_listed
from imil.study.review.mask_book import MaskBook
from tests.standins.fakehub import READER, FakeHub, Fault
from tests.storage.hub_disks import NOWHERE, PACE, REPO, commits, files, hub_store, until

# The client closes its connections when one of them is cut, whoever is using them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
STUDY = "studies/abc/study.json"
# No second commit in a test that looks at the first.
SLOW = Pace(interval=60, first=0.01, most=0.2, quota=0.1, flush=20)


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        yield running


def record(number: int, study: str = "abc") -> str:
    return f"data/masks/202611/20261101T12{number:010d}-{number:08x}-{study}.parquet"


def begin(store: HubStore, study: str = "abc", *, records: int = 1) -> None:
    store.write(f"studies/{study}/study.json", b"{}")
    for number in range(records):
        store.add(record(number, study), b"mask %d" % number)


def offline(hub: FakeHub, home: Path, *studies: str) -> None:
    """Begin studies on a disk that can't reach the Hub."""
    away = Pace(first=0.01, most=60, flush=0)
    with hub_store(hub, home, pace=away, endpoint=NOWHERE) as store:
        for study in studies:
            begin(store, study)


def sent(store: HubStore, study: str = "abc") -> None:
    until(lambda: store.saved(study).waiting == 0 and store.saved(study).ago is not None)


def begin_two(store: HubStore) -> None:
    """Write a study of three masks and another one, and wait until both are on the Hub."""
    begin(store, records=3)
    begin(store, "other")
    sent(store)
    sent(store, "other")


def test_what_is_saved_is_in_the_data_set_under_its_own_name(hub: FakeHub, tmp_path: Path) -> None:
    with hub_store(hub, tmp_path) as store:
        begin(store, records=2)
        sent(store)

        found = files(hub)

        assert found[STUDY] == b"{}"
        assert [found[record(number)] for number in range(2)] == [b"mask 0", b"mask 1"]
        assert store.saved("abc").repo == REPO


def test_many_saves_of_many_studies_are_one_commit(hub: FakeHub, tmp_path: Path) -> None:
    offline(hub, tmp_path, *[f"study{number}" for number in range(20)])

    with hub_store(hub, tmp_path, pace=SLOW) as store:
        sent(store, "study19")

        assert commits(hub) == 1
    assert sum(path.startswith("studies/") for path in files(hub)) == 2 * 20


def test_a_study_that_was_only_looked_at_stays_on_this_machine(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path) as store:
        store.write(STUDY, b"{}")
        assert store.saved("abc").waiting == 0
        store.write("studies/other/study.json", b"1")
        store.write("studies/other/study.json", b"2")
        sent(store, "other")

    assert STUDY not in files(hub)
    assert files(hub)["studies/other/study.json"] == b"2"


def test_what_is_written_while_it_is_sent_goes_up_as_well(hub: FakeHub, tmp_path: Path) -> None:
    hub.commit_seconds = 0.3
    with hub_store(hub, tmp_path) as store:
        begin(store)
        until(lambda: any("/preupload/" in call for call in hub.log))
        store.write(STUDY, b"later")
        sent(store)

    assert files(hub)[STUDY] == b"later"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST .*/commit/", status=429, times=2),
        Fault("POST .*/commit/", status=503, times=2),
        Fault("POST .*/commit/", status=409, times=2),
        Fault("POST .*/commit/", status=412, times=2),
        Fault("POST .*/commit/", drop="before"),
        Fault("POST .*/commit/", drop="middle"),
        Fault("POST .*/commit/", drop="after"),
        Fault("POST .*/commit/", stall=3.0),
        Fault("PUT /stored/", drop="middle"),
        Fault("GET .*/resolve/", status=503, times=1),
    ],
    ids=lambda fault: f"{fault.match.split()[0]}-{fault.status or fault.drop or 'stall'}",
)
@pytest.mark.slow
def test_a_hub_that_fails_costs_nothing(hub: FakeHub, tmp_path: Path, fault: Fault) -> None:
    offline(hub, tmp_path, "abc")
    hub.faults.append(fault)
    with hub_store(hub, tmp_path) as store:
        sent(store)

    assert files(hub)[record(0)] == b"mask 0"
    assert commits(hub) == 1


def test_what_waited_goes_up_at_the_next_start(hub: FakeHub, tmp_path: Path) -> None:
    offline(hub, tmp_path, "abc")
    assert record(0) not in files(hub)

    with hub_store(hub, tmp_path) as again:
        sent(again)

    assert files(hub)[record(0)] == b"mask 0"


def test_an_app_that_ends_sends_what_waits_without_waiting_its_turn(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path, pace=SLOW) as store:
        begin(store)
        sent(store)
        store.add(record(7), b"the last")

    assert files(hub)[record(7)] == b"the last"


def test_commits_keep_their_distance(hub: FakeHub, tmp_path: Path) -> None:
    with hub_store(hub, tmp_path, pace=SLOW) as store:
        begin(store)
        sent(store)
        hub.log.clear()
        for number in range(1, 4):
            store.add(record(number), b"more")

        assert store.saved("abc").waiting == 3
        assert hub.log == []


@pytest.mark.slow
def test_an_empty_disk_has_a_study_again_in_a_handful_of_requests(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path / "old") as store:
        begin(store, records=260)
        for number in range(40):
            store.add(f"studies/abc/acts/{number:08d}.json", b"%d" % number)
        store.write("studies/abc/rounds/first.json", b"round")
        begin(store, "other")
        sent(store)
        before = store.of_study("abc"), store.names("studies/abc/")
    hub.log.clear()

    with hub_store(hub, tmp_path / "new") as again:
        assert again.read(STUDY) == b"{}"
        assert (again.of_study("abc"), again.names("studies/abc/")) == before
        assert again.read(record(259)) == b"mask 259"
        assert again.read("studies/abc/acts/00000039.json") == b"39"
        assert again.read("studies/abc/rounds/first.json") == b"round"
        assert again.saved("abc").ago is not None

    # What is written, the folder, two files, two packs of two requests each.
    assert len(hub.log) <= 10


def test_what_is_added_after_a_restart_is_there_after_the_next(
    hub: FakeHub, tmp_path: Path
) -> None:
    for number, home in enumerate(("one", "two", "three")):
        with hub_store(hub, tmp_path / home) as store:
            if number == 0:
                store.write(STUDY, b"{}")
            assert len(store.of_study("abc")) == number
            store.add(record(number), b"%d" % number)
            sent(store)

    with hub_store(hub, tmp_path / "four") as store:
        assert [store.read(name) for name in store.of_study("abc")] == [b"0", b"1", b"2"]


def test_a_large_record_stays_on_its_own_until_it_is_wanted(hub: FakeHub, tmp_path: Path) -> None:
    large = bytes(3 * 2**20)
    with hub_store(hub, tmp_path / "old") as store:
        begin(store)
        store.add(record(1), large)
        sent(store)

    with hub_store(hub, tmp_path / "new") as again:
        assert again.of_study("abc") == (record(0), record(1))
        assert not any(record(1) in call for call in hub.log[-20:] if "resolve" in call)
        assert again.read(record(1)) == large


def test_a_study_that_never_was_is_none_and_a_silent_hub_is_not_taken_for_it(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path) as store:
        assert store.read(STUDY) is None

        hub.faults.append(Fault("GET", times=1000, status=503))
        with pytest.raises(StoreError, match=r"not on this machine.*busy.*nothing was changed"):
            store.read("studies/xyz/study.json")


def test_two_processes_write_to_one_data_set_and_harm_neither(hub: FakeHub, tmp_path: Path) -> None:
    hub.commit_seconds = 0.05
    with hub_store(hub, tmp_path / "a") as one, hub_store(hub, tmp_path / "b") as two:
        begin(one)
        sent(one)
        assert two.of_study("abc") == (record(0),)
        for number in range(1, 11):
            (one, two)[number % 2].add(record(number), b"%d" % number)
            begin((one, two)[number % 2], f"own{number}")
        sent(one)
        sent(two)

    with hub_store(hub, tmp_path / "c") as again:
        assert again.of_study("abc") == tuple(record(number) for number in range(11))
        assert all(again.of_study(f"own{number}") for number in range(1, 11))


def test_a_forgotten_study_is_gone_from_the_hub_and_from_its_past(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path) as store:
        begin_two(store)
        store.forget("abc")
        store.write(STUDY, b"deleted")
        sent(store)

        assert store.of_study("abc") == ()

    assert [path for path in files(hub) if "abc" in path] == [STUDY]
    assert files(hub)[STUDY] == b"deleted"
    assert record(0, "other") in files(hub)
    for commit in hub.repos[f"datasets/{REPO}"].history:
        assert record(0) not in commit.files
    assert not any(b"mask 1" in blob for blob in hub.blobs.values())


def test_a_study_is_gone_from_the_hub_although_it_is_looked_at_while_it_goes_from_here(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_store(hub, tmp_path) as store:
        begin_two(store)
        remove = store._local.forget

        def after_a_look(study_id: str) -> None:
            store.write("studies/other/study.json", b"changed")
            until(lambda: files(hub)["studies/other/study.json"] == b"changed")
            remove(study_id)

        monkeypatch.setattr(store._local, "forget", after_a_look)
        store.forget("abc")
        until(lambda: not any("abc" in path for path in files(hub)))

    for commit in hub.repos[f"datasets/{REPO}"].history:
        assert record(0) not in commit.files


def test_a_deletion_that_was_cut_short_is_ended_by_the_next_start(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: str) -> None:
        raise KeyboardInterrupt

    tombstone = tombstone_file("abc")
    with hub_store(hub, tmp_path) as store:
        begin(store, records=3)
        store.write(tombstone, b"deleted")
        sent(store)
        monkeypatch.setattr(store._local, "forget", killed)
        with pytest.raises(KeyboardInterrupt):
            store.forget("abc")

    with hub_store(hub, tmp_path) as store:
        until(lambda: [path for path in files(hub) if "abc" in path] == [tombstone])
        assert store.of_study("abc") == ()
        assert store.read(tombstone) == b"deleted"


def test_a_disk_that_was_lost_finds_the_lists_of_accounts_again(
    hub: FakeHub, tmp_path: Path
) -> None:
    alice, bob, carol, dave = (account_key("user", name) for name in "abcd")
    study = ListedStudy("5" * 32, "Lungs", "2026-11-01T00:00:00+00:00")
    older = json.dumps({"schema_version": 1, "studies": [asdict(study)]}).encode()
    with hub_store(hub, tmp_path / "a") as store:
        save_listed(store, alice, (study,))
        # As an older version kept it; and as a study brought it, which a visitor had made.
        store.write(f"studies/{bob}/account.json", older)
        begin(store, carol)
        store.write(f"studies/{carol}/account.json", older)
        sent(store, carol)
        until(lambda: store._outbox.waiting() == 0)

    assert f"accounts/{alice}.json" in files(hub)
    with hub_store(hub, tmp_path / "b") as again:
        assert load_listed(again, alice) == (study,)
        assert load_listed(again, bob) == (study,)
        assert load_listed(again, carol) == ()
        assert load_listed(again, dave) == ()
        save_listed(again, bob, ())
        until(lambda: again._outbox.waiting() == 0)
        assert load_listed(again, bob) == ()
    # A list that was fetched is not sent again at the next start, over what is newer there.
    hub_lists = files(hub)[f"accounts/{alice}.json"]
    (tmp_path / "b" / "store" / "accounts" / f"{alice}.json").write_bytes(b"{}")
    with hub_store(hub, tmp_path / "b") as again:
        begin(again, "next")
        sent(again, "next")
    assert files(hub)[f"accounts/{alice}.json"] == hub_lists


def test_a_list_of_an_account_is_not_begun_anew_while_the_hub_can_not_be_asked(
    hub: FakeHub, tmp_path: Path
) -> None:
    with (
        hub_store(hub, tmp_path, endpoint=NOWHERE) as store,
        pytest.raises(StoreError, match="could not be asked"),
    ):
        load_listed(store, account_key("user", "a"))


def test_a_card_is_written_once_and_then_left_to_people(hub: FakeHub, tmp_path: Path) -> None:
    with hub_store(hub, tmp_path / "a") as store:
        begin(store)
        sent(store)
    card = files(hub)["README.md"].decode()
    edited = card.replace("tags:", "license: mit\ntags:") + "\nOurs.\n"
    kept = {path: data for path, data in files(hub).items() if path != "README.md"}
    hub.put(REPO, {**kept, "README.md": edited.encode()}, kind="datasets", private=True)

    with hub_store(hub, tmp_path / "b") as store:
        begin(store, "other")
        sent(store, "other")

    assert "config_name: masks" in card
    assert files(hub)["README.md"].decode() == edited


@pytest.mark.parametrize(
    "own", ["---\nlicense: mit\n---\n# Ours\n", "# Ours\n", "---\n---\n# Ours\n"]
)
def test_a_persons_card_only_gets_what_it_lacks(hub: FakeHub, tmp_path: Path, own: str) -> None:
    hub.put(REPO, {"README.md": own.encode()}, kind="datasets", private=True)

    with hub_store(hub, tmp_path) as store:
        begin(store)
        sent(store)

    card = files(hub)["README.md"].decode()
    assert card.endswith("# Ours\n")
    assert card.count("configs:") == 1
    assert ("license: mit" in card) == ("license: mit" in own)


def test_a_persons_card_that_cannot_be_read_is_left_alone(hub: FakeHub, tmp_path: Path) -> None:
    own = b"---\na: [\n---\n# Ours\n"
    hub.put(REPO, {"README.md": own}, kind="datasets", private=True)

    with hub_store(hub, tmp_path) as store:
        begin(store)
        sent(store)

    assert files(hub)["README.md"] == own


@pytest.mark.parametrize(
    ("kind", "token", "says"),
    [
        ("datasets", "hf_wrong", r"does not know this token.*expired.*new token"),
        ("datasets", READER, r"may not write to lab/state.*can only read.*write access"),
        ("datasets", "hf_bob", r"no data set lab/state.*private.*IMIL_STATE_REPO"),
        ("models", "hf_alice", r"is a model on the Hub, not a data set.*IMIL_STATE_REPO"),
        ("spaces", "hf_alice", r"is a space on the Hub, not a data set"),
    ],
)
def test_what_a_person_has_to_mend_is_said_and_the_masks_are_kept(
    hub: FakeHub, tmp_path: Path, kind: str, token: str, says: str
) -> None:
    hub.put(REPO, {}, kind=kind, private=True)
    with hub_store(hub, tmp_path, token=token) as store:
        begin(store)
        until(lambda: store.saved("abc").trouble is not None)

        with pytest.raises(StoreError, match=says) as caught:
            raise store.saved("abc").trouble or StoreError("", why="", fix="")
        assert "kept on this machine" in str(caught.value)
        assert token not in str(caught.value)
        assert store.saved("abc").waiting == 2
        assert store.read(record(0)) == b"mask 0"


def test_a_data_set_of_a_newer_version_is_left_as_it_is(hub: FakeHub, tmp_path: Path) -> None:
    newer = {"imil.json": json.dumps({"schema_version": 99, "columns": {}}).encode()}
    hub.put(REPO, newer, kind="datasets", private=True)
    with hub_store(hub, tmp_path) as store:
        begin(store)
        until(lambda: store.saved("abc").trouble is not None)

        assert "newer version" in str(store.saved("abc").trouble)
        with pytest.raises(StoreError, match="newer version"):
            store.read("studies/xyz/study.json")

    assert list(files(hub)) == ["imil.json"]


def test_a_pack_that_was_damaged_is_named_and_nothing_is_taken_for_missing(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path / "a") as store:
        begin(store)
        sent(store)
    broken = {p: d[:-30] if p.endswith(".zip") else d for p, d in files(hub).items()}
    hub.put(REPO, broken, kind="datasets", private=True)

    with hub_store(hub, tmp_path / "b") as again:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"pack of a study's records is damaged"):
                again.read(STUDY)


def test_a_full_disk_says_so_and_what_was_saved_goes_up(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub_store(hub, tmp_path, pace=PACE) as store:
        begin(store)
        sent(store)
        with monkeypatch.context() as patched:
            patched.setattr("imil.storage.local.os.fsync", _full)
            with pytest.raises(StoreError, match=r"disk is full.*still there"):
                store.add(record(1), b"not kept")
        store.add(record(2), b"kept")
        sent(store)

    assert record(1) not in files(hub)
    assert files(hub)[record(2)] == b"kept"


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_mask_painted_on_one_machine_is_the_last_on_the_next(
    hub: FakeHub, tmp_path: Path
) -> None:
    irrelevant = np.zeros((4, 4), np.bool_)
    irrelevant[:2] = True
    with hub_store(hub, tmp_path / "a") as store:
        store.write(STUDY, b"{}")
        book = MaskBook(store, "abc")
        for pixels in (irrelevant, ~irrelevant):
            time = NOON - timedelta(hours=len(book))
            book.add(MaskRecord("abc", "film", pixels, "a", "b", 0.5, "r", 1.0, 1, time))
        sent(store)

    with hub_store(hub, tmp_path / "b") as store:
        found = MaskBook(store, "abc").last("film")

    assert found is not None
    assert np.array_equal(found.irrelevant, ~irrelevant)


def test_a_token_is_in_nothing_that_is_shown(tmp_path: Path, hub: FakeHub) -> None:
    with hub_store(hub, tmp_path) as store:
        assert "hf_alice" not in repr(store._repo)


def test_studies_from_before_the_data_set_was_named_go_up_at_the_start(
    hub: FakeHub, tmp_path: Path
) -> None:
    local = LocalStore(tmp_path / "store")
    local.write(STUDY, b"{}")
    local.add(record(0), b"mask 0")
    local.write("studies/looked/study.json", b"only looked at")
    local.write("studies/half/rounds/a.json", b"fetched when the process was killed")
    local.write("studies/somebody/account.json", b"a list")
    local.write("accounts/somebody.json", b"another list")

    with hub_store(hub, tmp_path) as store:
        sent(store)
        sent(store, "somebody")

    assert files(hub)[record(0)] == b"mask 0"
    assert files(hub)["studies/somebody/account.json"] == b"a list"
    assert files(hub)["accounts/somebody.json"] == b"another list"
    assert not any("looked" in path or "half" in path for path in files(hub))


def test_a_whole_study_is_not_sent_again_at_each_start(hub: FakeHub, tmp_path: Path) -> None:
    with hub_store(hub, tmp_path) as store:
        begin(store)
        sent(store)
    hub.log.clear()

    with hub_store(hub, tmp_path) as again:
        assert again.saved("abc").waiting == 0

    assert hub.log == []


def test_which_studies_there_are_is_asked_in_one_request_and_fetches_none(
    hub: FakeHub, tmp_path: Path
) -> None:
    with hub_store(hub, tmp_path / "old") as store:
        for study in ("abc", "other"):
            begin(store, study)
            sent(store, study)
    hub.log.clear()

    with hub_store(hub, tmp_path / "new") as again:
        found = again.there([STUDY, "studies/other/study.json", "studies/gone/study.json"])

    assert found == {STUDY, "studies/other/study.json"}
    assert len(hub.log) == 1
    assert not (tmp_path / "new" / "store" / "studies").exists()


def test_nothing_goes_to_a_data_set_that_everybody_can_read(hub: FakeHub, tmp_path: Path) -> None:
    hub.put(REPO, {}, kind="datasets", private=False)
    with hub_store(hub, tmp_path) as store:
        begin(store)
        until(lambda: store.saved("abc").trouble is not None)

        told = str(store.saved("abc").trouble)
        assert "lab/state is public, so nothing goes there" in told
        assert "Make it private" in told
        assert files(hub) == {}
        assert store.saved("abc").waiting == 2

        hub.put(REPO, {}, kind="datasets", private=True)
        sent(store)

    assert files(hub)[record(0)] == b"mask 0"


def test_the_acts_that_the_hub_has_are_asked_anew(hub: FakeHub, tmp_path: Path) -> None:
    act = "studies/abc/acts/00000000.json"
    with hub_store(hub, tmp_path) as store:
        begin(store)
        store.add(act, b"as it was")
        sent(store)
        (tmp_path / "store" / act).write_bytes(b"forged")

        assert store.published("abc")[act] == b"as it was"
        assert store.published("nobody") == {}
        hub.faults.append(Fault("GET", times=1000, status=503))
        with pytest.raises(StoreError, match=r"busy.*Try again in a while"):
            store.published("abc")


def test_what_a_command_writes_beside_the_app_goes_up_at_the_next_start(
    hub: FakeHub, tmp_path: Path
) -> None:
    act = "studies/abc/acts/00000000.json"
    side = side_folder(tmp_path, REPO)
    with hub_store(hub, tmp_path, side=side) as store:
        begin(store)
        sent(store)

    beside_app(tmp_path, REPO).add(act, b"exported")
    beside_app(tmp_path, None).write("notes", b"no data set is named")

    with hub_store(hub, tmp_path, side=side) as store:
        sent(store)
    with hub_store(hub, tmp_path / "new") as again:
        assert again.read(act) == b"exported"
        assert again.read("notes") is None
