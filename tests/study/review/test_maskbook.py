from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from imil.errors import StoreError
from imil.storage.codec import MaskRecord, encode_mask
from imil.study.review.mask_book import MaskBook
from tests.standins.memory_store import MemoryStore

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def mask(reader: str, sample_id: str, *, minute: int, seconds: float = 1) -> MaskRecord:
    return MaskRecord(
        study="s",
        sample_id=sample_id,
        irrelevant=np.array([[True, False]]),
        label="a",
        prediction="b",
        confidence=0.9,
        reader=reader,
        seconds=seconds,
        round=1,
        time=NOON + timedelta(minutes=minute),
    )


FIRST = (
    mask("Ada", "x", minute=0, seconds=5),
    mask("Bo", "x", minute=1, seconds=7),
    mask("Ada", "y", minute=2, seconds=11),
    mask("Ada", "x", minute=3, seconds=13),
)


@pytest.fixture(params=["as it was written", "read again"])
def book(request: pytest.FixtureRequest) -> MaskBook:
    store = MemoryStore()
    written = MaskBook(store, "s")
    for record in FIRST:
        written.add(record)
    return written if request.param == "as it was written" else MaskBook(store, "s")


def last(book: MaskBook, sample_id: str, reader: str | None = None) -> tuple[str, float] | None:
    found = book.last(sample_id, reader)
    return None if found is None else (found.reader, found.seconds)


def test_each_reader_has_a_last_mask_of_their_own(book: MaskBook) -> None:
    assert last(book, "x", "Ada") == ("Ada", 13)
    assert last(book, "x", "Bo") == ("Bo", 7)
    assert last(book, "y", "Bo") is None
    assert last(book, "x") == ("Ada", 13)


def test_images_are_counted_once_however_many_readers_masked_them(book: MaskBook) -> None:
    assert (len(book), book.images("Ada"), book.images("Bo"), book.images("Cy")) == (2, 2, 1, 0)
    assert "y" in book
    assert not book.has("y", "Bo")


def test_readers_come_in_the_order_of_their_first_masks(book: MaskBook) -> None:
    assert book.readers() == ("Ada", "Bo")


def test_the_names_are_those_of_the_last_masks_of_all_or_of_one(book: MaskBook) -> None:
    every, own = book.by_name(book.names()), book.by_name(book.names("Bo"))

    assert [(r.reader, r.seconds) for r in every] == [("Bo", 7), ("Ada", 11), ("Ada", 13)]
    assert [r.reader for r in own] == ["Bo"]
    assert (book.seconds(), book.seconds("Ada")) == (31, 24)


def test_what_was_masked_later_can_be_left_out(book: MaskBook) -> None:
    then = book.by_name(book.names(until=NOON + timedelta(minutes=1)))

    assert [(r.reader, r.seconds) for r in then] == [("Ada", 5), ("Bo", 7)]


def test_a_mask_without_a_name_is_the_unnamed_readers() -> None:
    book = MaskBook(MemoryStore(), "s")
    book.add(replace(FIRST[0], reader=""))

    assert book.readers() == ("visitor",)
    assert book.has("x", "visitor")


def drawn(sample_id: str, rows: int, time: datetime) -> MaskRecord:
    irrelevant = np.zeros((4, 4), np.bool_)
    irrelevant[:rows] = True
    return MaskRecord("abc", sample_id, irrelevant, "a", "b", 0.5, "r", 1.0, 1, time)


def test_the_last_mask_stays_the_last_when_the_clock_is_set_back() -> None:
    store = MemoryStore()
    book = MaskBook(store, "abc")
    for rows, minutes in ((1, 0), (2, -60), (3, -120)):
        book.add(drawn("a", rows, NOON + timedelta(minutes=minutes)))

    again = MaskBook(store, "abc")

    found = again.last("a")
    assert found is not None
    assert int(found.irrelevant.sum()) == 12
    assert found.time == NOON - timedelta(minutes=120)


def test_other_studies_and_other_records_are_not_read() -> None:
    store = MemoryStore()
    MaskBook(store, "abc").add(drawn("a", 1, NOON))
    store.add("data/masks/202611/20261101T120000000000-aa-abcd.parquet", b"not read")
    store.add("data/runs/202611/20261101T120000000000-bb-abc.parquet", b"not read")

    assert len(MaskBook(store, "abc")) == 1


def test_a_damaged_mask_is_named_and_costs_no_other() -> None:
    store = MemoryStore()
    written = MaskBook(store, "s")
    names = [written.add(record) for record in FIRST]
    store.write(names[1], b"cut short")
    store.write(names[2], (store.read(names[2]) or b"")[:-20])

    book = MaskBook(store, "s")

    assert book.damaged == (names[1], names[2])
    assert last(book, "x") == ("Ada", 13)
    assert "y" not in book
    assert [record.seconds for record in book.by_name(tuple(names))] == [5, 13]
    assert book.add(FIRST[2])
    assert last(book, "y") == ("Ada", 11)


def test_masks_of_a_newer_version_are_not_taken_for_damaged() -> None:
    store = MemoryStore()
    name = MaskBook(store, "s").add(FIRST[0])
    newer = encode_mask(FIRST[0])
    table = parquet.read_table(io.BytesIO(newer))
    sink = io.BytesIO()
    versions = pa.array([99], pa.int32())
    parquet.write_table(table.set_column(0, table.schema.field(0), versions), sink)
    store.write(name, sink.getvalue())

    with pytest.raises(StoreError, match=r"newer version.*Update IMIL"):
        MaskBook(store, "s")
