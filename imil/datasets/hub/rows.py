"""The rows of a Hub data set, read in a process of its own: `python -m imil.datasets.hub.rows`.

Of its own, because strangers' Parquet is parsed by a C++ library, because `datasets` has no time
limit, and because it takes its address and token from the process. It reads one JSON request from
standard input, and writes one JSON message a line: what there is to choose, then one an image.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from imil.core.burnt_in import blacked_out, corner_text
from imil.core.duplicates import fingerprint
from imil.core.records import Pixels
from imil.datasets.blank import shows_nothing
from imil.datasets.choices import parse_frame
from imil.datasets.files.pages import frames_of_picture
from imil.datasets.files.pixels import FORMATS, PixelsError, read_pixels
from imil.datasets.hub.source import MAX_HUB_BYTES, Source, SourceRefusal
from imil.datasets.layout.words import is_nobody

# Rows whose labels are read before a sample is drawn: labels are small, images are not.
MAX_ROWS = 400_000
# Images of a class that a sample keeps where there are so many, however rare the class is.
_FEWEST = 12
# Rows read with their images in one go, in multiples of the sample, before rare classes are sought
# by themselves.
PASSES = 3
# Longest side of an image as kept, px: of a sample of thousands, larger ones fill the disk.
MAX_SIDE = 1024
# How an answer begins that names a column.
COLUMN = "column "
# More distinct labels than this are no classes but names, numbers or free text.
MAX_CLASSES = 100


def quotas(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """Return how many images of each class a sample has: its share, but `_FEWEST` of rare ones."""
    total = sum(counts.values())
    if total <= limit:
        return dict(counts)
    shares = {name: max(round(limit * n / total), _FEWEST) for name, n in counts.items()}
    return {name: min(shares[name], n) for name, n in counts.items()}


def sample(source: Source, split: str, counts: Mapping[str, int], limit: int) -> Iterator[Any]:
    """Yield (row, label) of a sample of a split: the first rows of each class, as stored."""
    lacking = Counter(quotas(counts, limit))
    most = PASSES * sum(lacking.values())
    for looked, row in enumerate(source.all_splits[split]):
        label = source.said(row[source.chosen_label])
        if label is not None and lacking[label] > 0:
            lacking[label] -= 1
            yield row, label
        if not +lacking:
            return
        if source.is_parquet and looked >= most:
            break
    # Classes that come later, as in sorted sets: only the groups of rows that hold them are read.
    taken = Counter(quotas(counts, limit)) - +lacking
    for label, missing in (+lacking).items() if source.is_parquet else ():
        yield from _rest(source, split, label, taken[label], missing)


def _rest(source: Source, split: str, label: str, taken: int, missing: int) -> Iterator[Any]:
    kind = source.features[source.chosen_label]
    value: Any = kind.str2int(label) if isinstance(kind, datasets.ClassLabel) else label
    if isinstance(kind, datasets.Value) and kind.dtype not in {"string", "large_string"}:
        value = label == "True" if kind.dtype == "bool" else int(label)
    rows = source.stream(filters=[(source.chosen_label, "==", value)])[split]
    for number, row in enumerate(rows):
        if taken <= number < taken + missing:
            yield row, label
        if number >= taken + missing:
            return


def labels_of(source: Source, split: str) -> Counter[str]:
    """Return how many images of each class a split has, reading as little else as can be."""
    rows = source.all_splits[split]
    if source.is_parquet:
        rows = source.stream(columns=[source.chosen_label])[split]
    values = (row[source.chosen_label] for _, row in zip(range(MAX_ROWS), rows, strict=False))
    return Counter(label for value in values if (label := source.said(value)) is not None)


def shrunk(pixels: Pixels) -> Pixels:
    """Return the pixels, at most `MAX_SIDE` wide and high."""
    image = Image.fromarray(pixels)
    if max(image.size) <= MAX_SIDE:
        return pixels
    if pixels.dtype == np.uint16:
        image = Image.fromarray(pixels.astype(np.int32))
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    levels = np.asarray(image)
    return levels.clip(0, 65535).astype(np.uint16) if pixels.dtype == np.uint16 else levels


def write_image(
    content: bytes, file: Path, *, black: bool = False, frame: str = ""
) -> dict[str, Any]:
    """Write an image again as a PNG without metadata; return what a listing says of it.

    Text that seems to be burnt into its corners is told, and blacked out where that is asked for.
    Of several frames, the one that is picked is written.

    Raises:
        PixelsError: it can't be read, or has several frames and none is picked.
    """
    raw = file.with_suffix(".raw")
    raw.write_bytes(content)
    try:
        if len(content) > MAX_HUB_BYTES:
            raise PixelsError(file.name, why=f"It has more than {MAX_HUB_BYTES >> 20} MB.")
        pixels = shrunk(read_pixels(raw, frame=_number(content, frame)))
    finally:
        raw.unlink()
    text = corner_text(pixels)
    if text and black:
        pixels = blacked_out(pixels, text)
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    height, width = pixels.shape[:2]
    return {
        "width": width,
        "height": height,
        "grey": pixels.ndim == 2,
        "burnt": bool(text),
        "blank": shows_nothing(pixels),
        "fingerprint": fingerprint(pixels).hex(),
    }


def _number(content: bytes, written: str) -> int | None:
    """Return which frame of an image is meant, counted from 1; None where none is picked."""
    picked = parse_frame(written)
    if picked is None:
        return None
    frames = frames_of_picture(io.BytesIO(content), FORMATS)
    return 1 if frames is None else frames.number(picked)


def look_at_rows(source: Source) -> dict[str, Any]:
    """Return what there is to choose, and what would be chosen; Refused where nothing can be."""
    about = source.builder.info.splits or {}
    return {
        "configs": source.configs,
        "config": source.chosen_config,
        "splits": {
            name: about[name].num_examples if name in about else None for name in source.all_splits
        },
        "images": source.images,
        "labels": source.labels,
        "image": source.chosen_image,
        "label": source.chosen_label,
        "patient": source.patient,
    }


def read(
    source: Source, into: Path, limit: int, *, black: bool = False, frame: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield a message for each image taken or left out; the images are in `into` then."""
    column = frame.removeprefix(COLUMN) if frame.startswith(COLUMN) else None
    counts = {split: labels_of(source, split) for split in source.chosen_splits}
    _require_classes(source, counts.values())
    total = sum(n for each in counts.values() for n in each.values())
    limits = {
        split: max(1, round(limit * sum(each.values()) / max(1, total)))
        for split, each in counts.items()
    }
    wanted = sum(sum(quotas(counts[split], limits[split]).values()) for split in counts)
    yield {"total": wanted, "rows": total}
    for split, there in counts.items():
        folder = into / split
        folder.mkdir(parents=True)
        chosen = sample(source, split, there, limits[split])
        for number, (row, label) in enumerate(chosen):
            name = f"{split}/{number:06d}.png"
            try:
                own = frame if column is None else str(row.get(column) or "")
                found = write_image(_content(source, row), into / name, black=black, frame=own)
            except PixelsError as error:
                yield {"skipped": f"row {number} of {split}", "why": error.why}
                continue
            owner = row.get(source.patient) if source.patient else None
            patient = None if owner is None or is_nobody(str(owner)) else str(owner)
            yield {"file": name, "split": split, "label": label, "patient": patient, **found}


def _content(source: Source, row: Mapping[str, Any]) -> bytes:
    image = row[source.chosen_image]
    if not image:
        raise PixelsError("row", why="It has no image.")
    return source.bytes_of(image)


def _require_classes(source: Source, counts: Iterable[Counter[str]]) -> None:
    classes = {label for each in counts for label in each}
    if len(classes) > MAX_CLASSES:
        raise SourceRefusal("classes", column=source.chosen_label, classes=len(classes))


def _main(asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the messages that answer a request."""
    # It would ask another server what the first one has said already.
    datasets.config.USE_PARQUET_EXPORT = False
    source = Source(
        asked["repo"],
        asked["commit"],
        asked["token"],
        asked["config"],
        tuple(asked["splits"]),
        asked["image"],
        asked["label"],
    )
    yield {"choice": look_at_rows(source)}
    if asked["into"] is not None:
        into, black, frame = Path(asked["into"]), asked["black_corners"], asked["frame"]
        yield from read(source, into, asked["limit"], black=black, frame=frame)
    yield {"done": True}


def _say(message: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _names(error: BaseException) -> Sequence[str]:
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    return [kind.__name__ for each in chain for kind in type(each).__mro__]


if __name__ == "__main__":
    try:
        for _message in _main(json.loads(sys.stdin.readline())):
            _say(_message)
    except SourceRefusal as refused:
        _say({"refused": refused.kind, **refused.facts})
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent says it
        _say({"failed": _names(error), "text": str(error).partition("\n")[0]})
