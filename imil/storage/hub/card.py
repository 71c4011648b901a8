"""The data set's card: what lies where, so that viewer and `datasets` read it as tables."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import yaml
from pyarrow import parquet

from imil.storage.base import RECORDS
from imil.storage.codec import MASK_COLUMNS, check_version, damaged, typed_table
from imil.storage.records.images import IMAGE_COLUMNS
from imil.storage.records.runs import RUN_COLUMNS

# Of the layout as a whole; each file carries the version of its own format.
LAYOUT_SCHEMA = 1
LAYOUT_FILE = "imil.json"
CARD_FILE = "README.md"
_TABLES = {"masks": MASK_COLUMNS, "runs": RUN_COLUMNS, "images": IMAGE_COLUMNS}
# There from the beginning; another table is named once it has a row, because `datasets` refuses to
# load one that has none.
_FIRST = frozenset({"masks"})
_FRONT = re.compile(r"---\r?\n(.*?\r?\n)?---\r?\n", re.DOTALL)

_TEXT = """
# State of IMIL, Interactive Medical Image Learning

Written by the app while clinicians work; research use only, not for diagnosis.

- `masks`: a row an accepted mask, white = irrelevant, with label, prediction, reader, seconds.
  Images are there only where the study's owner has consented.
- `runs`: a row an epoch, arm and seed of every finished training.
- `images`: a row an image, only of studies whose owner has consented.
- `studies/`: what is needed to open a study again.
- `accounts/`: which studies an account has listed; whose a list is can't be read from it.

`load_dataset("{repo}", "masks")` reads the masks, and so on; a table is named here once it has
rows. Files are never changed once they are there, except those below `studies/`. The app adds such
names to `configs` above and does not write this page again: edit it as you like.
"""


def tables_of(paths: Iterable[str]) -> frozenset[str]:
    """Return the tables that files are rows of, by their paths."""
    records = (path.removeprefix(RECORDS) for path in paths if path.startswith(RECORDS))
    return frozenset(record.partition("/")[0] for record in records) & _TABLES.keys()


def new_card(repo: str, found: str | None, tables: Collection[str]) -> str | None:
    """Return the card to write; None where the one that is there can stay.

    Args:
        repo: the data set's id.
        found: the card that is there; None for none.
        tables: those that are new in the data set.

    Returns:
        A whole new card; or a person's card with the new `configs` added and nothing else.
    """
    if found is None:
        return f"---\n{_front(tables, tags=True)}---\n{_TEXT.format(repo=repo)}"
    head = _FRONT.match(found)
    if head is None:
        return f"---\n{_front(tables)}---\n{found}"
    own = head[1] or ""
    front = _extended(own, tables)
    return None if front in {None, own} else f"---\n{front}---\n{found[head.end() :]}"


def _extended(own: str, tables: Collection[str]) -> str | None:
    """Return a person's front matter with the tables added; None where that would be a guess."""
    try:
        said = yaml.safe_load(own) or {}
        if not isinstance(said, dict):
            return None
        if "configs" not in said:
            return own + _front(tables)
        named = {config["config_name"] for config in said["configs"]}
        added = [table for table in _TABLES if table in tables and table not in named]
        if not added:
            return own
        # Our lines before the first of theirs, indented alike; no other line is touched.
        place = re.search(r"^configs:[ \t]*\r?\n(?=([ \t]*)- )", own, re.MULTILINE)
        if place is None:
            return None
        lines = str(yaml.safe_dump(_configs(added), sort_keys=False, width=100)).splitlines()
        ours = "".join(f"{place[1]}{line}\n" for line in lines)
        extended = own[: place.end()] + ours + own[place.end() :]
        wanted = {**said, "configs": [*_configs(added), *said["configs"]]}
        return extended if yaml.safe_load(extended) == wanted else None
    except (yaml.YAMLError, KeyError, TypeError):
        return None  # a person is to mend it, and we are not to guess


def shorter_card(found: str, tables: Iterable[str]) -> tuple[str, frozenset[str]]:
    """Return a card without what we wrote of some tables, and those that it names no more.

    What a person has changed of our lines stays, and so does the name of the only table.
    """
    head = _FRONT.match(found)
    front = head[1] or "" if head else ""
    gone: set[str] = set()
    for table in tables:
        lines = str(yaml.safe_dump(_configs([table]), sort_keys=False, width=100)).splitlines()
        # As they were written: below each other, all indented alike.
        ours = r"^([ \t]*)" + r"\r?\n\1".join(re.escape(line) for line in lines) + r"\r?\n"
        shorter = re.sub(ours, "", front, count=1, flags=re.MULTILINE)
        if shorter != front and _names_all_but(front, shorter, table):
            front, gone = shorter, gone | {table}
    if head is None or not gone:
        return found, frozenset()
    return f"---\n{front}---\n{found[head.end() :]}", frozenset(gone)


def _names_all_but(front: str, shorter: str, table: str) -> bool:
    """Return whether a front matter says the same as another one, save that it lacks a table."""
    try:
        said = yaml.safe_load(front)
        left = [config for config in said["configs"] if config["config_name"] != table]
        return bool(left) and yaml.safe_load(shorter) == {**said, "configs": left}
    except (yaml.YAMLError, KeyError, TypeError):
        return False


def empty_tables(found: bytes | None, left: Collection[str]) -> tuple[str, ...]:
    """Return the tables that the data set has by its layout file, and that have no row left.

    Args:
        found: the layout file; None for none.
        left: the tables that have rows; where none has, those of the beginning stay.

    Raises:
        StoreError: the layout is damaged, or of a newer version.
    """
    there = layout_columns(found).keys() - frozenset(left)
    return tuple(table for table in _TABLES if table in there and (left or table not in _FIRST))


def layout_without(found: bytes, tables: Collection[str]) -> bytes:
    """Return a layout file that lacks some tables, so that their next rows name them again."""
    columns = {name: each for name, each in layout_columns(found).items() if name not in tables}
    return _layout(columns)


def _layout(columns: Mapping[str, Sequence[str]]) -> bytes:
    return json.dumps({"schema_version": LAYOUT_SCHEMA, "columns": columns}, indent=1).encode()


def new_tables(found: bytes | None, tables: Collection[str]) -> frozenset[str]:
    """Return the tables that the data set does not have yet.

    Args:
        found: its layout file; None for none.
        tables: those that rows are about to be added to.

    Raises:
        StoreError: the layout is damaged, or of a newer version.
    """
    return _wanted(found, tables) - layout_columns(found).keys()


def _wanted(found: bytes | None, tables: Collection[str]) -> frozenset[str]:
    """Return the tables that rows are added to; at the beginning, those of it too."""
    return frozenset(tables) | (_FIRST if found is None else frozenset())


def layout_files(found: bytes | None, tables: Collection[str]) -> dict[str, bytes]:
    """Return the files, by path, that say how the data set is laid out and lack in it.

    A table of no rows comes first in each folder: `datasets` takes all columns from it, so that
    older files may lack some.

    Args:
        found: the layout file that is there; None for none.
        tables: those that rows are about to be added to.

    Raises:
        StoreError: it is damaged, or of a newer version.
    """
    there = layout_columns(found)
    wanted = there.keys() | _wanted(found, tables)
    laid_out = {name: columns for name, columns in _TABLES.items() if name in wanted}
    lacking = [n for n, columns in laid_out.items() if not set(columns) <= set(there.get(n, ()))]
    if not lacking:
        return {}
    return {
        LAYOUT_FILE: _layout({name: list(columns) for name, columns in laid_out.items()}),
        **{f"{RECORDS}{n}/000000/columns.parquet": _no_rows(_TABLES[n]) for n in lacking},
    }


def layout_columns(found: bytes | None) -> Mapping[str, Sequence[str]]:
    """Return the columns of each table that a layout file names; StoreError as `layout_files`."""
    if found is None:
        return {}
    try:
        said = json.loads(found)
        version, columns = int(said["schema_version"]), dict(said["columns"])
    except (ValueError, KeyError, TypeError) as cause:
        raise damaged(f"The file {LAYOUT_FILE} of the data set") from cause
    check_version("The data set", version, LAYOUT_SCHEMA)
    return columns


def _no_rows(columns: Mapping[str, str]) -> bytes:
    """Return a table without even an empty group of rows, at which `datasets` would stop."""
    sink = io.BytesIO()
    parquet.ParquetWriter(sink, typed_table([], columns).schema).close()
    return sink.getvalue()


def _front(tables: Collection[str], *, tags: bool = False) -> str:
    said: dict[str, object] = {"tags": ["medical", "human-in-the-loop"]} if tags else {}
    said["configs"] = _configs([table for table in _TABLES if table in tables])
    return str(yaml.safe_dump(said, sort_keys=False, width=100))


def _configs(tables: Iterable[str]) -> list[dict[str, object]]:
    return [
        {
            "config_name": name,
            "default": name == "masks",
            "data_files": [{"split": "train", "path": f"{RECORDS}{name}/**/*.parquet"}],
        }
        for name in tables
    ]
