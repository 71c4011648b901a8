"""What folders and file names say: splits, labels, and whose image each is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from imil.core.records import Split
from imil.datasets.layout import words
from imil.datasets.layout.candidates import LabelHypothesis, plausibility
from imil.datasets.layout.matching import stem

# Folders that are looked at from the top; no set nests more.
MOST_LEVELS = 12
# Share of the images that have to lie at a level for it to be tried, and for no other to be.
_LEAST, _WHOLE = 0.5, 0.9
# Parts of a file's name that are tried as labels, from its end and from its start.
# Classes that parts which are numbers may be.
MOST_NUMBERED = 5
# Folders of one name and a number each, from which they are people's.
_LEAST_PEOPLE = 8
# Names that a program drew, as of studies or series.
_HASH = re.compile(r"[0-9a-f-]{12,}|\d+(\.\d+){5,}", re.IGNORECASE)
_NAME_PARTS = (-1, -2, -3, 0, 1, 2)
_PIECES = re.compile(r"[^\W_]+")
_MAGNIFIED = re.compile(r"\d+x", re.IGNORECASE)


def splits_of(names: Sequence[str]) -> tuple[int | None, dict[str, Split]]:
    """Return the level of the folders that are splits, and the split of each image in one.

    Folders named as splits count before those whose names only speak of one, and one of them must
    be for training, or all must be splits.
    """
    best: tuple[float, int, dict[str, Split]] | None = None
    for level in range(_depth(names)):
        folders = {name: folder for name in names if (folder := _folder(name, level)) is not None}
        exact = {
            name: words.SPLITS[f.lower()]
            for name, f in folders.items()
            if f.lower() in words.SPLITS
        }
        spoken = {name: s for name, f in folders.items() if (s := words.split_word(f)) is not None}
        for found, sure in ((exact, 1.0), (spoken, 0.5)):
            share = len(found) / len(names) if names else 0
            whole = len(found) == len(folders) if sure == 1.0 else share > _WHOLE
            trained = Split.TRAIN in found.values() and (
                sure == 1.0 or len(set(found.values())) > 1
            )
            if found and (trained or (sure == 1.0 and whole)):
                rated = (share + sure, -level, found)
                if best is None or rated[:2] > best[:2]:
                    best = rated
    return (None, {}) if best is None else (-best[1], best[2])


def level_candidates(
    names: Sequence[str], splits: Mapping[str, Split], split_level: int | None
) -> list[LabelHypothesis]:
    """Return the folder levels that may be the labels; the innermost plausible one gains."""
    found: list[LabelHypothesis] = []
    depth = _depth(names)
    for level in range(depth):
        if level == split_level:
            continue
        values = {n: f for n in names if (f := _folder(n, level)) is not None}
        if len(values) < _LEAST * len(names):
            continue
        candidate = _level(values, names, splits, f"folder level {level + 1}", depth)
        if candidate is not None:
            found.append(candidate)
    if found:
        found[-1] = replace(found[-1], score=found[-1].score + 0.7)
    found = [_crossed(candidate, found) for candidate in found]
    inner = {
        n: parts[-2]
        for n in names
        if len(parts := n.split("/")) > 1 and parts[-2].lower() not in words.SPLITS
    }
    candidate = _level(inner, names, splits, "innermost folder", depth)
    if candidate is None or len(inner) < _LEAST * len(names):
        return found
    kinds = set(candidate.values.values())
    alike = [c for c in found if set(c.values.values()) == kinds]
    if any(len(c.values) < len(candidate.values) for c in alike):
        # The same folders, some of them deeper than others.
        return [c for c in found if c not in alike] + [
            replace(candidate, score=candidate.score + 0.7)
        ]
    if not any(len(c.values) >= _WHOLE * len(names) for c in found):
        found.append(candidate)
    return found


def _crossed(outer: LabelHypothesis, levels: Sequence[LabelHypothesis]) -> LabelHypothesis:
    """Return a level with less for it where each of its folders holds the same likely classes.

    It says where the images come from then: a hospital, a part, a year.
    """
    for inner in levels:
        if inner is outer or len(set(inner.values.values())) < 2:
            continue
        if inner.choice < outer.choice or inner.score < outer.score - 1.0:
            continue
        held: dict[str, set[str]] = {}
        for name, folder in outer.values.items():
            held.setdefault(folder, set()).add(inner.values.get(name, ""))
        if all(own == set(inner.values.values()) for own in held.values()):
            return replace(outer, score=outer.score - 1.5)
    return outer


def _level(
    folders: Mapping[str, str],
    names: Sequence[str],
    splits: Mapping[str, Split],
    choice: str,
    depth: int,
) -> LabelHypothesis | None:
    unlabelled = {n for n, f in folders.items() if words.plain_word(f) in words.UNLABELLED}
    for_splits = {n for n, f in folders.items() if f.lower() in words.SPLITS}
    if len({f for n, f in folders.items() if n not in for_splits | unlabelled}) < 2:
        for_splits = set()
    unlabelled |= for_splits
    values = {n: f for n, f in _findings(folders).items() if n not in unlabelled}
    # A split in which no image lies so deep, as one to be predicted, has no labels.
    parted = {splits.get(n) for n in values}
    score = plausibility(values, sum(splits.get(n) in parted for n in names) - len(unlabelled))
    kinds = sorted(set(values.values()))
    if score is None or all(_MAGNIFIED.fullmatch(kind) for kind in kinds) or _are_ids(kinds):
        return None
    score += _told_by_names(kinds)
    if len({(f, n.count("/")) for n, f in values.items()}) > len(kinds):
        score -= 0.5
    elif len({n.count("/") for n in values}) > 1:
        score -= 1.0  # Each has folders of its own, as sources of images have.
    if splits and len(set(splits.values())) > 1:
        in_all = len({(splits.get(n), v) for n, v in values.items()})
        score += 0.5 * (in_all >= len(kinds) * len(set(splits.values())))
    left = dict.fromkeys(unlabelled, "Its folder says that nobody labelled it.") | dict.fromkeys(
        for_splits, "Its folder is called as a split, and the folders beside it as classes."
    )
    where = f"{choice}, of {depth}" if choice.startswith("folder") else choice
    return LabelHypothesis(choice, where, values, score, where="folders", left=left)


def _told_by_names(kinds: Sequence[str]) -> float:
    """Return how much folders' names speak for or against being labels."""
    score = 0.0
    if _numbered(kinds) and any(words.has(kind, words.PART_WORDS) for kind in kinds):
        score -= 4.0
    if 2 * sum(words.has(kind, words.CONTAINERS) for kind in kinds) >= len(kinds):
        score -= 1.5
    if any(words.has(kind, words.DERIVED) for kind in kinds):
        score -= 1.5
    people = sum(words.has(kind, words.PATIENTS) for kind in kinds) * 2 >= len(kinds)
    # “Patients” beside “controls” are classes, “patient 7” is one person.
    if people and (len(kinds) > MOST_NUMBERED or any(re.search(r"\d", kind) for kind in kinds)):
        score -= 4.0
    if all(words.plain_word(kind) in words.SIDES for kind in kinds):
        score -= 3.0
    if all(kind.isdigit() for kind in kinds):
        score -= 0.5
    return score


def _findings(folders: Mapping[str, str]) -> Mapping[str, str]:
    """Return folders by their word of a finding, where numbered names share all their other words.

    “study1_negative” and “study2_positive” say negative and positive.
    """
    kinds = set(folders.values())
    own = {kind: words.words(kind) for kind in kinds}
    told = {kind: [w for w in found if w in words.CLASS_WORDS] for kind, found in own.items()}
    rest = {tuple(w for w in found if w not in words.CLASS_WORDS) for found in own.values()}
    numbered = all(re.search(r"\d", kind) for kind in kinds)
    if numbered and len(rest) == 1 and rest != {()} and all(len(t) == 1 for t in told.values()):
        return {name: told[folder][0] for name, folder in folders.items()}
    return folders


def name_candidates(names: Sequence[str]) -> list[LabelHypothesis]:
    """Return the parts of file names that may be the labels."""
    pieces = {name: _PIECES.findall(stem(name).rpartition("/")[2]) for name in names}
    found: list[LabelHypothesis] = []
    for part in _NAME_PARTS:
        values = {}
        for name, own in pieces.items():
            if len(own) > (part if part >= 0 else -part - 1):
                piece = own[part]
                values[name] = piece if piece.isdigit() else piece.rstrip("0123456789") or piece
        if len(values) < _WHOLE * len(names):
            continue
        score = plausibility(values, len(names))
        kinds = set(values.values())
        alone = 2 * len(kinds) > len(values)
        if (
            score is None
            or alone
            or len(kinds) > 20
            or all(k.lower() in words.SIDES for k in kinds)
        ):
            continue
        if any(k.isdigit() for k in kinds) and len(kinds) > MOST_NUMBERED:
            continue
        if any(k.isdigit() and len(k) > 2 for k in kinds) or any(
            words.split_word(k) for k in kinds
        ):
            continue
        where = f"{part + 1}" if part >= 0 else f"{-part} from its end"
        candidate = LabelHypothesis(
            f"file name part {where}",
            f"part {where} of the file names",
            values,
            score - 1.0,
            where="file names",
        )
        if all(candidate.values != other.values for other in found):
            found.append(candidate)
    return found


def _are_ids(kinds: Sequence[str]) -> bool:
    """Return whether names are numbers that tell one person or slide from another."""
    if all(_HASH.fullmatch(kind) and re.search(r"\d", kind) for kind in kinds):
        return True
    spoken = {word for kind in kinds for word in words.words(kind)}
    if len(kinds) >= _LEAST_PEOPLE and _numbered(kinds) and spoken and not spoken & words.KINDS:
        return True
    long = sum(bool(re.search(r"\d{3,}", kind)) for kind in kinds)
    return 2 * long > len(kinds) and len(
        {words.plain_word(re.sub(r"\d+", "", k)) for k in kinds}
    ) <= max(2, len(kinds) // 4)


def _numbered(kinds: Sequence[str]) -> bool:
    return len({re.sub(r"\d+", "#", kind) for kind in kinds}) == 1 and len(kinds) > 1


def _depth(names: Sequence[str]) -> int:
    return min(MOST_LEVELS, max((name.count("/") for name in names), default=0))


def _folder(name: str, level: int) -> str | None:
    parts = name.split("/")
    return parts[level] if level < len(parts) - 1 else None


def people(names: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """Return the folder level that is one person's each, and the person of each image."""
    best = None
    for level in range(_depth(names)):
        folders = {n: f for n in names if (f := _folder(n, level)) is not None}
        kinds = sorted(set(folders.values()))
        named = kinds and sum(words.has(k, words.PATIENTS) for k in kinds) * 2 > len(kinds)
        numbered = any(re.search(r"\d", kind) for kind in kinds)
        # Folders of one name below two others may be two people's, unless they say so.
        above = Counter(
            kind for kind, _ in {(f, n.rpartition(f"{f}/")[0]) for n, f in folders.items()}
        )
        unique = all(count == 1 for count in above.values())
        many = 8 <= len(kinds) < len(folders) and _are_ids(kinds)
        if numbered and len(kinds) > 1 and (named or (many and unique)):
            best = (f"folder level {level + 1}", folders)
            if named:
                break
    return best
