from __future__ import annotations

import pytest

from imil.errors import StoreError
from imil.storage.records.accounts import ListedStudy, load_listed, owner_of
from imil.study.library.accounts import MOST, Account, Accounts, Organisation
from tests.standins.memory_store import MemoryStore

CLINIC = Organisation("o-1", "clinic")
ALICE = Account("u-1", "alice", (CLINIC,))
BOB = Account("u-2", "bob", (CLINIC,))
CAROL = Account("u-3", "carol")
LUNGS = ListedStudy("5" * 32, "Lungs", "2026-11-01T00:00:00+00:00")
SKIN = ListedStudy("6" * 32, "Skin", "2026-11-02T00:00:00+00:00")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_an_account_finds_its_studies_in_any_browser_and_no_other_does(store: MemoryStore) -> None:
    Accounts(store).keep(ALICE, LUNGS, own=True)
    Accounts(store).keep(ALICE, SKIN, own=True)

    again = Accounts(store)

    assert again.studies(ALICE) == (SKIN, LUNGS)
    assert again.studies(BOB) == again.studies(CAROL) == ()


def test_a_study_shared_with_an_organisation_is_found_by_its_members_alone(
    store: MemoryStore,
) -> None:
    accounts = Accounts(store)
    accounts.keep(ALICE, LUNGS, own=True)

    accounts.share(ALICE, LUNGS, "clinic", shared=True)

    assert accounts.studies(BOB) == (LUNGS,)
    assert accounts.studies(ALICE) == (LUNGS,)
    assert accounts.shared_with(BOB, LUNGS.study_id) == ("clinic",)
    assert accounts.studies(CAROL) == ()
    accounts.share(ALICE, LUNGS, "clinic", shared=False)
    assert accounts.studies(BOB) == ()


def test_only_the_owner_shares_and_deletes(store: MemoryStore) -> None:
    accounts = Accounts(store)
    accounts.require_owner(None, LUNGS.study_id)  # nobody's: its browser's
    accounts.keep(ALICE, LUNGS, own=True)
    accounts.keep(BOB, LUNGS, own=True)  # says so, and comes too late

    with pytest.raises(StoreError, match=r"not yours to share.*another account"):
        accounts.share(BOB, LUNGS, "clinic", shared=True)
    for other in (BOB, None):
        with pytest.raises(StoreError, match=r"belongs to an account.*not delete it"):
            accounts.require_owner(other, LUNGS.study_id)
    with pytest.raises(StoreError, match=r"don't belong to “other”"):
        accounts.share(ALICE, LUNGS, "other", shared=True)
    accounts.require_owner(ALICE, LUNGS.study_id)


def test_a_study_that_was_opened_by_a_link_is_listed_but_not_owned(store: MemoryStore) -> None:
    Accounts(store).keep(BOB, LUNGS, own=False)

    assert Accounts(store).studies(BOB) == (LUNGS,)
    assert owner_of(store, LUNGS.study_id) == ""


def test_a_forgotten_study_is_on_no_list(store: MemoryStore) -> None:
    accounts = Accounts(store)
    accounts.keep(ALICE, LUNGS, own=True)
    accounts.share(ALICE, LUNGS, "clinic", shared=True)

    accounts.forget(None, LUNGS.study_id)
    assert accounts.studies(BOB) == (LUNGS,)
    accounts.forget(ALICE, LUNGS.study_id)

    assert accounts.studies(ALICE) == accounts.studies(BOB) == ()


def test_a_list_keeps_the_last_fifty(store: MemoryStore) -> None:
    accounts = Accounts(store)
    for number in range(MOST + 1):
        accounts.keep(ALICE, ListedStudy(f"{number:032x}", "x", ""), own=False)

    assert len(accounts.studies(ALICE)) == 50
    assert accounts.studies(ALICE)[-1].study_id == f"{1:032x}"


def test_nothing_kept_names_the_account(store: MemoryStore) -> None:
    accounts = Accounts(store)
    accounts.keep(ALICE, LUNGS, own=True)
    accounts.share(ALICE, LUNGS, "clinic", shared=True)

    kept = [name + str(store.read(name)) for name in store.names("")]

    assert len(kept) == 3
    assert not any(word in each for each in kept for word in ("alice", "u-1", "clinic", "o-1"))


def test_a_damaged_or_newer_list_is_said_and_never_replaced(store: MemoryStore) -> None:
    name = f"accounts/{ALICE.key}.json"
    for content, said in (
        (b"{", r"damaged"),
        (b'{"schema_version": 99}', r"newer"),
        (b'{"schema_version": 1, "studies": [{"x": 1}]}', r"damaged"),
    ):
        store.write(name, content)

        with pytest.raises(StoreError, match=said):
            Accounts(store).keep(ALICE, LUNGS, own=False)

        assert store.read(name) == content
    assert load_listed(store, BOB.key) == ()
