"""Train, validation and test: stratified by label, grouped by patient, and proved disjoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil.core.records import Sample, Split
from imil.errors import DataError

# Shares of the images in train, validation and test. Our choice; the paper's are not known.
SHARES = (0.7, 0.1, 0.2)

# Kinds of patients that the search for splits looks at in all; so many take a second or two. And
# how many classes times splits it is for: it calls itself as often. Our choice.
_MOST_TRIED, _MOST_LACKING = 300_000, 500

# How many names an error gives before it only counts.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class SplitCount:
    """How many images a split has, and of how many known patients."""

    split: Split
    images: int
    patients: int


@dataclass(frozen=True, slots=True)
class DisjointProof:
    """That no known patient is in two splits; kept with the study and printed beside its figures.

    Attributes:
        counts: one a split, in the order train, validation, test.
        unknown: images without a patient id, for which nothing is proved.
        shared: patients in two splits; 0, since a set with any is refused.
    """

    counts: tuple[SplitCount, ...]
    unknown: int
    shared: int = 0

    @property
    def patients(self) -> int:
        """How many patients were checked."""
        return sum(count.patients for count in self.counts)

    @property
    def complete(self) -> bool:
        """Whether every image's patient is known, and so the splits are proved disjoint."""
        return self.unknown == 0

    @property
    def sentence(self) -> str:
        """The proof, or what is missing from it, in plain words."""
        checked = f"{_count(self.patients, 'patient')} checked, {self.shared} shared."
        if self.complete:
            return f"No patient in two splits. {checked}"
        has = f"{_count(self.unknown, 'image')} {'has' if self.unknown == 1 else 'have'}"
        doubt = (
            f"{has} no patient id, so one patient may be in train and test, "
            "and the accuracy may be too high."
        )
        if self.patients == 0:
            return f"Patients unknown. {doubt}"
        return f"No known patient in two splits. {checked} {doubt}"

    def __str__(self) -> str:
        return self.sentence


def make_splits(
    labels: Sequence[str],
    patients: Sequence[str | None],
    *,
    seed: int,
) -> tuple[Split, ...]:
    """Divide images into train, validation and test.

    Patients stay whole, and each class is shared out as `SHARES` says, as nearly as patients allow
    (greedy, after Sechidis et al. 2011, "On the stratification of multi-label data": the rarest
    class first, large patients first). Every class has an image in every split: where the greedy
    way leaves a class out, those patients are sought first that together bring it there.

    Args:
        labels: N class names.
        patients: N patient ids; an image with None is a patient of its own.
        seed: of the draw. Equal arguments give equal splits.

    Returns:
        N splits, in the order of the labels.

    Raises:
        DataError: a class has too few patients to be in every split, or no way was found to share
            them out so that all classes are.
        ValueError: the inputs differ in length.
    """
    return _share_out(labels, patients, tuple(Split), SHARES, seed)


def carve(
    labels: Sequence[str],
    patients: Sequence[str | None],
    splits: Sequence[Split],
    *,
    into: Split,
    seed: int,
) -> tuple[Split, ...]:
    """Take a missing split out of the training images, patients kept whole.

    Args:
        labels: N class names.
        patients: N patient ids, or None where unknown.
        splits: N ready splits, none of them `into`.
        into: the missing split. It gets the part of `SHARES` that it would have had of it and
            train together.
        seed: of the draw.

    Returns:
        N splits: some training images moved to `into`, all others as they were.

    Raises:
        DataError: a class has too few training patients to be in both.
        ValueError: the inputs differ in length.
    """
    rows = [row for row, split in enumerate(splits) if split is Split.TRAIN]
    share = dict(zip(Split, SHARES, strict=True))
    both = share[Split.TRAIN] + share[into]
    drawn = _share_out(
        [labels[row] for row in rows],
        [patients[row] for row in rows],
        (Split.TRAIN, into),
        (share[Split.TRAIN] / both, share[into] / both),
        seed,
    )
    moved = dict(zip(rows, drawn, strict=True))
    return tuple(moved.get(row, split) for row, split in enumerate(splits))


def require_every_class(labels: Sequence[str], splits: Sequence[Split]) -> None:
    """Check that every class has an image in every split; else DataError names the first gap."""
    present = set(zip(labels, splits, strict=True))
    for label in sorted(set(labels)):
        for split in Split:
            if (label, split) not in present:
                raise DataError(
                    f"The class “{label}” has no {_ADJECTIVE[split]} image.",
                    why="Each of train, validation and test needs images of every class.",
                    fix=f"Put some of its images into {split.value}, leave the class out, or "
                    "remove the split folders so that the app splits the images itself.",
                )


def prove_disjoint(samples: Iterable[Sample]) -> DisjointProof:
    """Check that no patient is in two splits, and return the proof.

    Raises:
        DataError: some are; the error names up to five of them.
    """
    images: Counter[Split] = Counter()
    seen: dict[str, set[Split]] = {}
    unknown = 0
    for sample in samples:
        images[sample.split] += 1
        if sample.patient is None:
            unknown += 1
        else:
            seen.setdefault(sample.patient, set()).add(sample.split)
    _refuse_shared({patient: splits for patient, splits in seen.items() if len(splits) > 1})
    patients = Counter(split for splits in seen.values() for split in splits)
    return DisjointProof(
        tuple(SplitCount(split, images[split], patients[split]) for split in Split), unknown
    )


_ADJECTIVE = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test"}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _refuse_shared(shared: dict[str, set[Split]]) -> None:
    if not shared:
        return
    named = [
        f"“{patient}” ({', '.join(split for split in Split if split in shared[patient])})"
        for patient in sorted(shared)[:_NAMED]
    ]
    more = f" and {len(shared) - _NAMED} more" if len(shared) > _NAMED else ""
    raise DataError(
        f"{_count(len(shared), 'patient')} {'is' if len(shared) == 1 else 'are'} "
        "in more than one split.",
        why=f"These are {', '.join(named)}{more}. A model that is tested on people it was trained "
        "on looks better than it is.",
        fix="Put all images of a patient into one split, or remove the split folders so that the "
        "app splits the images by patient.",
    )


def _share_out(
    labels: Sequence[str],
    patients: Sequence[str | None],
    splits: tuple[Split, ...],
    shares: tuple[float, ...],
    seed: int,
) -> tuple[Split, ...]:
    if len(labels) != len(patients):
        raise ValueError("labels and patients differ in length")
    classes, label_of = np.unique(np.asarray(labels), return_inverse=True)
    # An unknown patient's key is the row, a number, which no id of text can equal.
    keys = [row if patient is None else patient for row, patient in enumerate(patients)]
    groups = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    group_of = np.array([groups[key] for key in keys], np.int64)
    members = np.zeros((len(groups), len(classes)), np.int64)
    np.add.at(members, (group_of, label_of), 1)
    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    chosen = _assign(members, shares, order, {})
    if not _everywhere(members, chosen, len(splits)):
        _require_enough(classes.tolist(), members, splits)
        first = _search(members, len(splits), order)
        if first is None:
            raise _no_way(classes.tolist(), members, chosen, splits)
        chosen = _assign(members, shares, order, first)
    return tuple(splits[chosen[group]] for group in group_of)


def _assign(
    members: NDArray[np.int64],
    shares: tuple[float, ...],
    order: list[int],
    first: Mapping[int, int],
) -> NDArray[np.int64]:
    """Return the split (an index of `shares`) of each group.

    Args:
        members: (G, C) how many images of each class a group has.
        shares: of the images.
        order: of the groups; ties follow it.
        first: the split of groups for which it is settled.
    """
    wanted = np.outer(shares, members.sum(axis=0))
    chosen = np.full(len(members), -1, np.int64)
    for group, split in first.items():
        chosen[group] = split
        wanted[split] -= members[group]
    sizes = members.sum(axis=1)
    for label in np.argsort((members > 0).sum(axis=0), kind="stable"):
        holds = members[:, label] > 0
        free = [group for group in order if holds[group] and chosen[group] < 0]
        free.sort(key=lambda group: -sizes[group])
        lacking = set(range(len(shares))) - set(chosen[holds].tolist())
        for left, group in zip(range(len(free), 0, -1), free, strict=True):
            # The last groups of a class go where it is still lacking, whatever the shares want.
            among = lacking if left <= len(lacking) else range(len(shares))
            need = wanted[:, label].tolist()
            chosen[group] = best = max(sorted(among), key=need.__getitem__)
            wanted[best] -= members[group]
            lacking.discard(best)
    return chosen


def _everywhere(members: NDArray[np.int64], chosen: NDArray[np.int64], splits: int) -> bool:
    """Return whether each class has a group in each split."""
    return all((members[chosen == split] > 0).any(axis=0).all().item() for split in range(splits))


def _search(members: NDArray[np.int64], splits: int, order: list[int]) -> dict[int, int] | None:
    """Return groups that bring each class into each split, and theirs; None where none were found.

    Each step settles one group, for that class and split which fewest groups can bring together.
    Groups of the same classes stand for each other, so the smallest of them is tried alone. A class
    that has enough groups of its own is left to them. If there is a way it is found, unless that
    takes more than `_MOST_TRIED`. Few groups are settled: the others stay free to be shared out as
    is wanted.
    """
    place = {group: at for at, group in enumerate(order)}
    sizes = members.sum(axis=1)
    alike: dict[frozenset[int], list[int]] = {}
    for group in sorted(order, key=lambda each: (-sizes[each], -place[each])):
        alike.setdefault(frozenset(np.flatnonzero(members[group]).tolist()), []).append(group)
    own = (members > 0)[(members > 0).sum(axis=1) == 1].sum(axis=0)
    lacking = {
        (label, split) for label in np.flatnonzero(own < splits).tolist() for split in range(splits)
    }
    if len(lacking) > _MOST_LACKING:
        return None
    first: dict[int, int] = {}
    tried = 0

    def settle(lacking: set[tuple[int, int]]) -> bool:
        nonlocal tried
        if not lacking:
            return True
        free = Counter[int]()
        for classes, groups in alike.items():
            free.update(dict.fromkeys(classes, len(groups)))
        open_splits = Counter(label for label, _ in lacking)
        if any(free[label] < count for label, count in open_splits.items()):
            return False
        label, split = min(lacking, key=lambda each: (free[each[0]] - open_splits[each[0]], each))
        kinds = [classes for classes, groups in alike.items() if groups and label in classes]
        # First those that bring most of what the split lacks.
        gain = {kind: sum((each, split) in lacking for each in kind) for kind in kinds}
        for kind in sorted(kinds, key=lambda each: (-gain[each], sorted(each))):
            tried += len(alike)
            if tried > _MOST_TRIED:
                return False
            group = alike[kind].pop()
            first[group] = split
            if settle(lacking - {(each, split) for each in kind}):
                return True
            del first[group]
            alike[kind].append(group)
        return False

    return first if settle(lacking) else None


def _require_enough(
    classes: list[str], members: NDArray[np.int64], splits: tuple[Split, ...]
) -> None:
    """Refuse a class of fewer groups than there are splits."""
    for label, name in enumerate(classes):
        images, patients = int(members[:, label].sum()), int((members[:, label] > 0).sum())
        if patients < len(splits):
            raise DataError(
                f"The class “{name}” is too small to be split.",
                why=f"It has {_count(images, 'image')} of {_count(patients, 'patient')}, and each "
                f"of {_listed(splits)} needs a patient of every class.",
                fix="Add images of other patients, leave the class out, or join it with another.",
            )


def _no_way(
    classes: list[str],
    members: NDArray[np.int64],
    chosen: NDArray[np.int64],
    splits: tuple[Split, ...],
) -> DataError:
    """Return the error of classes that each have enough groups, and together have no splits."""
    names = (
        name
        for label, name in enumerate(classes)
        if len(set(chosen[members[:, label] > 0].tolist())) < len(splits)
    )
    return DataError(
        f"The class “{next(names)}” can't be split.",
        why=f"Each of {_listed(splits)} needs a patient of every class, and its patients are "
        "needed for other classes too.",
        fix="Add images of other patients, leave the class out, or join it with another.",
    )


def _listed(splits: tuple[Split, ...]) -> str:
    return f"{', '.join(splits[:-1])} and {splits[-1]}"
