"""Records in JSON, JSON lines, XML and Parquet as rows of a table, whatever tool wrote them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from imil.errors import DataError

# Bytes of records that are read at once; what is read takes several times that in memory.
_MAX_BYTES = 64 * 2**20
# Lists inside a record, one below the other.
_MAX_DEPTH = 12
# Columns that records have in all.
MAX_KEYS = 500
Record = dict[str, Any]


def record_lines(file: Path, name: str, suffix: str) -> Iterator[tuple[int, list[str]]]:
    """Yield records as lines, the header first.

    Nested values get names with dots; several values of one name in a record are parted by “|”.
    A list that another one points into by “…_id”, as categories of annotations are, is joined.

    Raises:
        DataError: it can't be read, or is too large.
    """
    if file.stat().st_size > _MAX_BYTES:
        raise DataError(
            f"“{name}” is too large.",
            why=f"It has more than {_MAX_BYTES // 2**20} MB.",
            fix="Leave out what says nothing about the images.",
        )
    try:
        flat = [values_of(record) for record in _records(file, suffix)]
    except (ValueError, ET.ParseError, RecursionError, UnicodeError, OSError, TypeError) as cause:
        raise DataError(
            f"“{name}” can't be read as a table.",
            why=f"It is no {suffix[1:]} file with a list of records.",
            fix="Save it again, or as “CSV UTF-8”.",
        ) from cause
    keys = list(dict.fromkeys(key for record in flat for key in record))[:MAX_KEYS]
    yield 1, keys
    for number, record in enumerate(flat, start=2):
        yield number, trimmed(["|".join(record.get(key, ())) for key in keys])


def trimmed(cells: list[str]) -> list[str]:
    """Return a row without the empty cells at its end."""
    while cells and not cells[-1]:
        cells.pop()
    return cells


def typed(cell: Any) -> str:
    """Return a cell as somebody would type it: 12 for 12.0, and a day without its midnight."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and (cell.hour, cell.minute, cell.second) == (0, 0, 0):
        return cell.date().isoformat()
    return str(cell)


def _records(file: Path, suffix: str) -> Iterable[Any]:
    if suffix == ".parquet":
        return _of_parquet(file)
    if suffix == ".xml":
        return [of_element(child) for child in ET.parse(file).getroot()]  # noqa: S314  # no entities
    text = file.read_text("utf-8-sig")
    if suffix == ".json":
        return _of_json(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _of_parquet(file: Path) -> list[Record]:
    from pyarrow import ArrowException, parquet  # noqa: PLC0415  # takes a third of a second

    try:
        opened = parquet.ParquetFile(file)
        kept = [f.name for f in opened.schema_arrow if "binary" not in str(f.type)]
        records: list[Record] = opened.read(columns=kept).to_pylist()
    except ArrowException as cause:
        raise ValueError from cause
    return records


def of_element(element: ET.Element) -> Record:
    """Return an element of XML as a record: attributes, its text, and a list of each child."""
    record: Record = dict(element.attrib)
    if element.text and element.text.strip():
        record["text"] = element.text.strip()
    for child in element:
        record.setdefault(child.tag, []).append(of_element(child))
    return record


def _of_json(told: Any) -> Iterable[Any]:
    """Return the longest list of records, joined with the lists that point into it."""
    if isinstance(told, list):
        return told
    lists = {k: v for k, v in told.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
    if not lists:
        nested = [v for v in told.values() if isinstance(v, dict)]
        classes = told.get("classes")
        if isinstance(classes, list) and len(nested) == 1:
            # Labels are numbers of the classes.
            named = {str(number): name for number, name in enumerate(classes)}
            return [
                {"name": key, "label": named.get(str(value), value)}
                for key, value in nested[0].items()
            ]
        keyed = [{"name": key, **v} for key, v in told.items() if isinstance(v, dict)]
        return (
            keyed
            if len(nested) > 1
            else [r for v in nested for r in _of_json(v)]
            or [{"name": key, "label": value} for key, value in told.items()]
        )
    keys = {f"{_singular(name)}_id": name for name in lists}
    pointing = Counter(
        keys[k] for name, own in lists.items() for k in own[0] if k in keys and keys[k] != name
    )
    main = max(lists, key=lambda name: (name == "images", pointing[name], len(lists[name])))
    ids = {n: {r["id"]: r for r in own if _has_id(r)} for n, own in lists.items() if n != main}
    joined: dict[Any, list[Record]] = {}
    for name, own in lists.items():
        for record in own if name != main else ():
            told = _plain(record)
            for key, other in keys.items():
                if key in record and other in ids and isinstance(record[key], (int, str)):
                    told[_singular(other)] = _plain(ids[other].get(record[key], {}))
            own_key = f"{_singular(main)}_id"
            if isinstance(record.get(own_key), (int, str)):
                joined.setdefault(record[own_key], []).append(told)
    return [
        {**record, "annotations": joined.get(record["id"], [])} if _has_id(record) else record
        for record in lists[main]
    ]


def _singular(name: str) -> str:
    return f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")


def _has_id(record: Any) -> bool:
    return isinstance(record, dict) and isinstance(record.get("id"), (int, str))


def _plain(record: Record) -> Record:
    return {k: v for k, v in record.items() if not isinstance(v, (list, dict))}


def values_of(record: Any) -> dict[str, list[str]]:
    """Return the different values of a record by their path, parted by dots, at any depth."""
    found: dict[str, list[str]] = {}

    def take(value: Any, key: str, depth: int) -> None:
        if depth > _MAX_DEPTH or len(found) > MAX_KEYS:
            return
        if isinstance(value, dict):
            for name, inner in value.items():
                take(inner, f"{key}.{name}" if key else str(name), depth + 1)
        elif isinstance(value, list):
            for inner in value:
                take(inner, key, depth + 1)
        elif value is not None and (text := typed(value)):
            own = found.setdefault(key or "value", [])
            if text not in own:
                own.append(text)

    take(record, "", 0)
    return found
