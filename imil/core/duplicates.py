"""Images that look the same: found by a short fingerprint of each, not by their pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from imil.core.images import to_uint8
from imil.core.records import Pixels, Split

# Cells a row and column of a fingerprint, and of the neighbourhood whose mean is taken off a cell:
# detail, not anatomy. Usual hashes of 8 × 8 brightness cells take two patients' films for one.
_SIDE, _AROUND = 32, 5
# Correlation from which two fingerprints are of one image. In trials films of different patients
# reached .95 (turned or mirrored, .92); of recompressed, halved or brightened copies 95 % stayed
# above .97; see docs/trials/near-duplicates.md.
SAME = 0.965
# Images compared each with each, 5 × 10⁷ pairs in seconds; of larger sets only equal fingerprints
# are found.
MAX_COMPARED = 10_000
# Rows compared at once: blocks of 40 MB.
_BLOCK = 512
# Pairs found at most: a set of copies of one image has half a million pairs a thousand images.
MAX_PAIRS = 100_000
# Share of the training images that may be moved out of it; of more, the splits are the question.
MAX_MOVED = 0.1
# Which split a duplicate goes to: an image that is tested on must not be trained on.
_STRICTEST = (Split.TEST, Split.VALIDATION, Split.TRAIN)
# How far rounding may put two equal means apart, of 1.
_ROUNDING = 1e-4
# Pairs kept to be named; all are counted.
MAX_NAMED = 50
# Pairs of labels that a sentence names.
_LABELS_TOLD = 3


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What is known of near duplicates in an image set.

    Attributes:
        compared: images with a fingerprint; 0 where nobody looked.
        inside: pairs within one split.
        across: pairs in two splits, which make the figures too good.
        kept: images that the app, making the splits itself, kept together with their duplicate.
        moved: images that were moved out of a ready split because of their duplicate in another.
        named: up to `MAX_NAMED` pairs of sample ids, those across splits first.
        exact_only: whether the set was so large that only equal fingerprints were looked for.
    """

    compared: int
    inside: int = 0
    across: int = 0
    kept: int = 0
    named: tuple[tuple[str, str], ...] = ()
    exact_only: bool = False
    moved: int = 0


def fingerprint(pixels: Pixels) -> bytes:
    """Return 1 kB that changes little when an image is scaled, recompressed or brightened.

    The image's detail: `_SIDE`² cells less the mean around each, as signed bytes.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.
    """
    image = Image.fromarray(to_uint8(pixels)).convert("L")
    cells = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)
    wide = np.pad(cells, _AROUND // 2, mode="reflect")
    detail = cells - sliding_window_view(wide, (_AROUND, _AROUND)).mean((2, 3))
    largest = float(np.abs(detail).max())
    # Of a blank image nothing is left but rounding.
    scaled = np.zeros_like(detail) if largest < 1 / 16 else detail * (127 / largest)
    return bytes(np.round(scaled).astype(np.int8).tobytes())


def near_duplicate_pairs(
    fingerprints: Sequence[bytes], *, most: int = MAX_COMPARED
) -> tuple[tuple[int, int], ...]:
    """Return (i, j), i < j, for each two fingerprints that correlate by `SAME` or more.

    One of them may be turned by quarters, mirrored, or both: as augmented copies are.

    At most `MAX_PAIRS`. Of more than `most` fingerprints, neighbours among equal ones only. A blank
    image equals nothing.
    """
    return tuple(islice(_near_pairs(fingerprints, most), MAX_PAIRS))


def _near_pairs(fingerprints: Sequence[bytes], most: int) -> Iterator[tuple[int, int]]:
    told = [row for row, detail in enumerate(fingerprints) if any(detail)]
    if not told:
        return
    if len(told) > most:
        last: dict[bytes, int] = {}
        for row in told:
            if (before := last.get(fingerprints[row])) is not None:
                yield before, row
            last[fingerprints[row]] = row
        return
    detail = np.frombuffer(b"".join(fingerprints[row] for row in told), np.int8)
    units = detail.reshape(len(told), _SIDE, _SIDE).astype(np.float32)
    units /= np.linalg.norm(units, axis=(1, 2), keepdims=True)
    # What no turn changes; a quarter of the cells, so that most pairs are told apart by less work.
    even = _mean_of_turns(units)
    size = (even**2).sum(axis=1)
    for start in range(0, len(told), _BLOCK):
        block = slice(start, start + _BLOCK)
        apart = size[block, None] + size[start:] - 2 * even[block] @ even[start:].T
        # Means are never further apart than what they are means of.
        near = np.argwhere(apart <= 2 - 2 * SAME + _ROUNDING)
        near = start + near[near[:, 0] < near[:, 1]]
        for i, others in groupby(near.tolist(), key=itemgetter(0)):
            rows = [j for _, j in others]
            alike = (
                units[rows].reshape(len(rows), -1) @ np.stack([*_turns(units[i])]).reshape(8, -1).T
            )
            for j, best in zip(rows, alike.max(axis=1).tolist(), strict=True):
                if best >= SAME:
                    yield told[i], told[j]


def _turns(cells: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield square cells (..., S, S) as they are, turned by quarters, and each mirrored."""
    for quarters in range(4):
        turned = np.rot90(cells, quarters, (-2, -1))
        yield turned
        yield turned[..., ::-1]


def _mean_of_turns(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, (S/2)²): what (N, S, S) cells are in the mean of their turns.

    Of that mean each quarter is a copy of the first; the factor keeps distances those of the whole.
    """
    half = _SIDE // 2
    mean = np.zeros_like(units)
    for turned in _turns(units):
        mean += turned / 8
    first: NDArray[np.float32] = 2 * mean[:, :half, :half].reshape(len(units), -1)
    return first


def group_duplicates(
    owners: Sequence[str | None], pairs: Sequence[tuple[int, int]]
) -> tuple[str | None, ...]:
    """Return who owns each image once duplicates are taken for images of one patient.

    Args:
        owners: N patient ids; None where unknown.
        pairs: rows of near duplicates.

    Returns:
        N ids: unchanged where nothing is duplicated.
    """
    keys: list[Hashable] = [row if own is None else own for row, own in enumerate(owners)]
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while (above := parent.get(key, key)) != key:
            key = above
        return key

    for i, j in pairs:
        first, second = root(keys[i]), root(keys[j])
        if first != second:
            parent[second] = first
    joined = {keys[row] for pair in pairs for row in pair}
    return tuple(
        # `repr`, so that row 5 and patient "5" stay two.
        f"together {root(key)!r}" if key in joined else own
        for key, own in zip(keys, owners, strict=True)
    )


def separate_duplicates(
    labels: Sequence[str], splits: Sequence[Split], pairs: Sequence[tuple[int, int]]
) -> tuple[Split, ...]:
    """Return ready splits of images of unknown patients, with near duplicates in one of them.

    Of images that look the same, all go to the strictest split that any is in: test, then
    validation. Our choice, as for an image that train and test both name.

    Args:
        labels: N class names.
        splits: N ready splits.
        pairs: rows of near duplicates.

    Returns:
        N splits; unchanged where more than `MAX_MOVED` of the training images would move, or where
        a class would be missing from a split that had it.
    """
    owners = group_duplicates((None,) * len(splits), pairs)
    together_in: dict[str, set[Split]] = {}
    for owner, split in zip(owners, splits, strict=True):
        if owner is not None:
            together_in.setdefault(owner, set()).add(split)
    strictest = {
        owner: next(split for split in _STRICTEST if split in found)
        for owner, found in together_in.items()
    }
    made = tuple(
        split if owner is None else strictest[owner]
        for owner, split in zip(owners, splits, strict=True)
    )
    before = set(zip(labels, splits, strict=True))
    left = sum(old is Split.TRAIN and new is not old for old, new in zip(splits, made, strict=True))
    too_many = left > MAX_MOVED * sum(split is Split.TRAIN for split in splits)
    if too_many or set(zip(labels, made, strict=True)) != before:
        return tuple(splits)
    return made


def find_near_duplicates(
    sample_ids: Sequence[str],
    splits: Sequence[Split | None],
    pairs: Sequence[tuple[int, int]],
    *,
    kept: int = 0,
    moved: int = 0,
) -> NearDuplicates:
    """Return what there is to say about near duplicates; see `NearDuplicates`."""
    across = [pair for pair in pairs if splits[pair[0]] is not splits[pair[1]]]
    inside = [pair for pair in pairs if splits[pair[0]] is splits[pair[1]]]
    named = tuple((sample_ids[i], sample_ids[j]) for i, j in [*across, *inside][:MAX_NAMED])
    return NearDuplicates(
        compared=len(sample_ids),
        inside=len(inside),
        across=len(across),
        kept=kept,
        named=named,
        exact_only=len(sample_ids) > MAX_COMPARED,
        moved=moved,
    )


def labelled_apart(
    sample_ids: Sequence[str], labels: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> str:
    """Tell which near duplicates have different labels: one is wrong. "" where none have.

    Args:
        sample_ids: N names.
        labels: N class names; the `_LABELS_TOLD` commonest of two are told.
        pairs: rows of near duplicates; the first of two labels is named.
    """
    both = [pair for pair in pairs if labels[pair[0]] != labels[pair[1]]]
    if not both:
        return ""
    kinds = Counter(" and ".join(sorted((labels[i], labels[j]))) for i, j in both)
    told = [f"{kind} ({count})" for kind, count in kinds.most_common(_LABELS_TOLD)]
    more = " and others" if len(kinds) > _LABELS_TOLD else ""
    first, second = (sample_ids[row] for row in both[0])
    # Names stand last, and quoted: a study without names leaves out what is quoted.
    return (
        f"Images that look the same have different labels: {', '.join(told)}{more}, "
        f"as “{first}” and “{second}”."
    )
