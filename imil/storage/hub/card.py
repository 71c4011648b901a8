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


def laid_out(
    repo: str, layout: bytes | None, card: bytes | None, rows: Collection[str]
) -> dict[str, bytes]:
    """Return the files, by path, that have to change so that the data set names its tables.

    A table of no rows comes first in each folder: `datasets` takes all columns from it, so that
    older files may lack some. A card is a person's: only our own lines in it come and go.

    Args:
        repo: the data set's id.
        layout: the layout file that is there; None for none.
        card: the card that is there; None for none.
        rows: the tables that have rows; none stands for those of the beginning.

    Raises:
        StoreError: the layout is damaged, or of a newer version.
    """
    there = layout_columns(layout)
    wanted = {*rows, *(_FIRST if layout is None or not rows else ())}
    added = [table for table in _TABLES if table in wanted and table not in there]
    text = None if card is None else card.decode("utf-8", "replace")
    changed, unnamed = _edited(repo, text, added, sorted(there.keys() - wanted))
    named = [table for table in _TABLES if table in {*there, *added} - unnamed]
    lacking = [table for table in named if not set(_TABLES[table]) <= set(there.get(table, ()))]
    files = {f"{RECORDS}{table}/000000/columns.parquet": _no_rows(table) for table in lacking}
    if lacking or unnamed:
        columns = {table: list(_TABLES[table]) for table in named}
        said = {"schema_version": LAYOUT_SCHEMA, "columns": columns}
        files[LAYOUT_FILE] = json.dumps(said, indent=1).encode()
    if changed != text:
        files[CARD_FILE] = changed.encode()
    return files


def _edited(
    repo: str, found: str | None, added: Sequence[str], gone: Sequence[str]
) -> tuple[str, set[str]]:
    """Return a card that names some tables more and others no more, and those that it dropped."""
    if found is None:
        said = {"tags": ["medical", "human-in-the-loop"], "configs": [_config(t) for t in added]}
        return f"---\n{_dumped(said)}---\n{_TEXT.format(repo=repo)}", set()
    head = _FRONT.match(found)
    own = front = head[1] or "" if head else ""
    for table in reversed(added):
        front = _front(front, table, named=True)
    unnamed = set()
    for table in gone:
        front, before = _front(front, table, named=False), front
        unnamed |= {table} if front != before else set()
    if front == own:
        return found, unnamed
    return f"---\n{front}---\n{found[head.end() :] if head else found}", unnamed


def _front(front: str, table: str, *, named: bool) -> str:
    """Return a person's front matter with a table named, or not; as it is if that were a guess."""
    lines = _dumped([_config(table)]).splitlines()
    try:
        said = yaml.safe_load(front) or {}
        if named and "configs" not in said:
            return front + _dumped({"configs": [_config(table)]})
        configs = [each for each in said["configs"] if each["config_name"] != table]
        if not named:
            # As they were written: below each other, all indented alike.
            ours = r"^([ \t]*)" + r"\r?\n\1".join(map(re.escape, lines)) + r"\r?\n"
            changed = re.sub(ours, "", front, count=1, flags=re.MULTILINE)
        elif len(configs) == len(said["configs"]):
            # Our lines before the first of theirs, indented alike; no other line is touched.
            place = re.search(r"^configs:[ \t]*\r?\n(?=([ \t]*)- )", front, re.MULTILINE)
            if place is None:
                return front
            indented = "".join(f"{place[1]}{line}\n" for line in lines)
            changed = front[: place.end()] + indented + front[place.end() :]
            configs.insert(0, _config(table))
        else:
            return front
        meant = bool(configs) and yaml.safe_load(changed) == {**said, "configs": configs}
    except (yaml.YAMLError, KeyError, TypeError):
        return front  # a person is to mend it, and we are not to guess
    return changed if meant else front


def layout_columns(found: bytes | None) -> Mapping[str, Sequence[str]]:
    """Return the columns of each table that a layout file names; StoreError as `laid_out`."""
    if found is None:
        return {}
    try:
        said = json.loads(found)
        version, columns = int(said["schema_version"]), dict(said["columns"])
    except (ValueError, KeyError, TypeError) as cause:
        raise damaged(f"The file {LAYOUT_FILE} of the data set") from cause
    check_version("The data set", version, LAYOUT_SCHEMA)
    return columns


def _no_rows(table: str) -> bytes:
    """Return a table without even an empty group of rows, at which `datasets` would stop."""
    sink = io.BytesIO()
    parquet.ParquetWriter(sink, typed_table([], _TABLES[table]).schema).close()
    return sink.getvalue()


def _dumped(said: object) -> str:
    return str(yaml.safe_dump(said, sort_keys=False, width=100))


def _config(table: str) -> dict[str, object]:
    return {
        "config_name": table,
        "default": table == "masks",
        "data_files": [{"split": "train", "path": f"{RECORDS}{table}/**/*.parquet"}],
    }
