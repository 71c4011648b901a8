"""Which images are masks, copies or variants of others, and of which."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from imil.datasets.layout import words
from imil.datasets.layout.matching import stem

# Images of a group that are looked at, evenly spread over its names.
SAMPLED = 6
# Groups without a word for masks that are looked at at all.
MOST_GROUPS = 20
# Points from which a group is masks, and from which it is asked about.
SURE_OF_MASKS, UNSURE = 4, 3

Flat = Callable[[str], bool | None]
_TAIL = re.compile(
    rf"^(?P<base>.*?[^\s_\-.])[\s_\-.]+(?:{'|'.join(sorted(words.MASKS, key=len, reverse=True))})"
    r"(?:[\s_\-.]?[a-z]{0,8}\d*)?$",
    re.IGNORECASE,
)
_MADE = "|".join(sorted(words.MADE_WORDS, key=len, reverse=True))
_MADE_TAIL = re.compile(rf"^(?P<base>.+?)[\s_\-.(]+(?:{_MADE})(?![a-z]).*$")
_MADE_HEAD = re.compile(rf"^(?:{_MADE})\d*[\s_\-.]+(?P<base>.+)$")
_HEAD = re.compile(r"^(?:mask|seg|gt|label)[\s_\-.]+(?P<base>.+)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MaskGroup:
    """Images that may be masks: what they have in common, of which images, and the points."""

    name: str
    of: Mapping[str, str | None]
    points: int
    two_valued: bool | None


def mask_groups(names: Sequence[str], flat: Flat) -> list[MaskGroup]:
    """Return groups of images that may be masks.

    A word for masks counts 2, partners of the same name 2, two-valued pixels 2; pixels of many
    values count against it.

    Args:
        names: of all images.
        flat: whether an image has two values alone; None where that can't be told.
    """
    grouped: dict[str, dict[str, str]] = defaultdict(dict)
    bases: dict[str, str] = {}
    around = len([part for part in posixpath.commonpath(names).split("/") if part]) if names else 0
    for name in names:
        group, base = _spoken(name, around)
        if group:
            grouped[group][name] = base
            bases[name] = base
    others = _Partners(name for name in names if name not in bases)
    found = []
    for group, members in sorted(grouped.items()):
        of = {name: others.find(name, base) for name, base in members.items()}
        partners = sum(other is not None for other in of.values()) >= 0.8 * len(of)
        two = _two_valued(sorted(members), flat)
        if len(members) == len(names):
            continue
        points = 2 + 2 * partners + {True: 2, None: 0, False: -1 if partners else -3}[two]
        found.append(MaskGroup(group, of, points, two))
    return found + _unspoken([n for n in names if n not in bases], flat)


def _spoken(name: str, around: int) -> tuple[str, str]:
    """Return what of a name says that it is a mask, and the name of its image; "" if nothing.

    Args:
        name: of an image.
        around: folders that all images lie in, which say nothing of one.
    """
    folders = name.split("/")[:-1]
    own = posixpath.basename(stem(name))
    for pattern in (_TAIL, _HEAD):
        if found := pattern.match(own):
            word = own.replace(found["base"], "")
            word = re.sub(r"\d+", "", word).strip(" _-.").lower()
            return f"name with “{word}”", found["base"]
    for level, folder in reversed(list(enumerate(folders))):
        idle = level < around or words.plain_word(folder) in words.UNLABELLED
        if not idle and words.has(folder, words.MASK_FOLDERS):
            return f"folder “{'/'.join(folders[: level + 1])}”", own
    return "", own


def _unspoken(names: Sequence[str], flat: Flat) -> list[MaskGroup]:
    """Return folders whose images have two values alone, beside others that have more."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folders[posixpath.dirname(name)].append(name)
    if not 1 < len(folders) <= MOST_GROUPS:
        return []
    two = {folder: _two_valued(own, flat) for folder, own in sorted(folders.items())}
    flats = [folder for folder, found in two.items() if found]
    if not flats or len(flats) == len(folders):
        return []
    others = _Partners(n for folder in folders if folder not in flats for n in folders[folder])
    found = []
    for folder in flats:
        of = {n: others.find(n, posixpath.basename(stem(n))) for n in folders[folder]}
        paired = sum(other is not None and is_telling(n) for n, other in of.items())
        partners = paired >= 0.8 * len(of)
        found.append(MaskGroup(f"folder “{folder}”", of, 1 + 2 * partners + 2, two_valued=True))
    return found


def _two_valued(names: Sequence[str], flat: Flat) -> bool | None:
    sample = names[:: max(1, len(names) // SAMPLED)][:SAMPLED]
    seen = [told for name in sample if (told := flat(name)) is not None]
    return None if 2 * len(seen) < len(sample) else sum(seen) >= 0.8 * len(seen)


class _Partners:
    """Images by the names that their masks may have."""

    def __init__(self, names: Iterable[str]) -> None:
        self._stems: dict[str, list[str]] = defaultdict(list)
        self._firsts: dict[str, list[str]] = defaultdict(list)
        for name in names:
            own = posixpath.basename(stem(name)).lower()
            self._stems[own].append(name)
            if number := re.match(r"[^\d]{0,4}\d+", own):
                self._firsts[number[0]].append(name)

    def find(self, mask: str, base: str) -> str | None:
        found = self._stems.get(base.lower()) or self._stems.get(_without_word(base))
        if not found:
            number = re.match(r"[^\d]{0,4}\d+", base.lower())
            found = self._firsts.get(number[0], []) if number else []
            nearest = [_common(name, mask) for name in found]
            if not found or nearest.count(max(nearest)) > 1:
                return None
        return max(sorted(found), key=lambda name: _common(name, mask))


def _without_word(base: str) -> str:
    found = _TAIL.match(base) or _HEAD.match(base)
    return found["base"].lower() if found else base.lower()


def _common(one: str, other: str) -> int:
    """Return how many folders of two paths are called alike."""
    return len(set(one.split("/")[:-1]) & set(other.split("/")[:-1]))


# Names of a word and a number, which are given anew in each folder; folders of the same images.
_COUNTED = re.compile(r"[^\d]*\d{0,5}\W*")
_MOST_VARIANTS = 4


def is_telling(name: str) -> bool:
    """Return whether a file's name is more than a small number, which any folder has."""
    return bool(re.search(r"\d{4}|[^\W\d]", posixpath.basename(stem(name))))


def copies(
    names: Sequence[str], sizes: Mapping[str, int], digest: Callable[[str], object]
) -> dict[str, str]:
    """Return the images that are byte for byte another one of the same file name, by that one.

    Folders must be the same, save some that come twice or hold images of any kind: an image under
    two labels or in two splits is no copy. The one whose folders say most stays, then the shortest.
    """
    alike: dict[tuple[str, int], list[str]] = defaultdict(list)
    for name in names:
        alike[posixpath.basename(name).lower(), sizes.get(name, 0)].append(name)
    found: dict[str, str] = {}
    for own in alike.values():
        kept: dict[object, list[str]] = defaultdict(list)
        for name in sorted(own, key=_order) if len(own) > 1 else ():
            same = kept[digest(name)]
            known = next((each for each in same if _telling(name) <= _telling(each)), None)
            if known is None:
                same.append(name)
            else:
                found[name] = known
    return found


def _telling(name: str) -> set[str]:
    """Return the folders of a file that may say something of it."""
    idle = words.CONTAINERS | words.PART_WORDS | words.DERIVED | words.COPIED
    return {
        folder
        for folder in name.lower().split("/")[:-1]
        if not all(word in idle for word in words.words(folder))
    }


def _order(name: str) -> tuple[int, bool, int, str]:
    copied = any(words.has(folder, words.COPIED) for folder in name.split("/")[:-1])
    return -len(_telling(name)), copied, name.count("/"), name


def variants(names: Sequence[str]) -> tuple[int, dict[str, list[str]]] | None:
    """Return the folder level below which the same images, or classes, lie twice; and each part.

    One folder holds what the other does, made differently: cropped, resized, augmented. Its name
    says so, and the rest of the paths is the same, or at least the folders below it are.
    """
    depth = max((name.count("/") for name in names), default=0)
    for level in range(min(depth, 6)):
        parts: dict[str, list[str]] = defaultdict(list)
        for name in names:
            pieces = name.split("/")
            if len(pieces) <= level + 1:
                break
            parts[pieces[level]].append(name)
        else:
            made = [folder for folder in parts if words.has(folder, words.DERIVED)]
            if len(parts) > 1 and made and _repeat(parts, level):
                return level, dict(parts)
            if 1 < len(parts) <= _MOST_VARIANTS and _same_paths(parts, level):
                return level, dict(parts)
    return None


def _same_paths(parts: Mapping[str, Sequence[str]], level: int) -> bool:
    """Return whether parts that are no splits hold the same paths of classes and files.

    Names that count alone, as “img_0001”, come again in any folder.
    """
    if any(words.split_word(folder) for folder in parts):
        return False
    paths = [{n.split("/", level + 1)[level + 1].lower() for n in own} for own in parts.values()]
    classes = {posixpath.dirname(path) for path in paths[0]}
    counted = sum(bool(_COUNTED.fullmatch(posixpath.basename(stem(path)))) for path in paths[0])
    same = all(len(own & paths[0]) >= 0.8 * max(len(own), len(paths[0])) for own in paths)
    return same and len(classes - {""}) > 1 and 2 * counted < len(paths[0])


def _repeat(parts: Mapping[str, Sequence[str]], level: int) -> bool:
    """Return whether all parts hold the same file names, or the same two class folders or more."""
    files = [{posixpath.basename(stem(n)).lower() for n in own} for own in parts.values()]
    below = [
        {n.split("/")[level + 1].lower() for n in own if n.count("/") > level + 1}
        for own in parts.values()
    ]
    same = all(len(own & files[0]) >= 0.8 * len(files[0]) for own in files)
    return same or (len(below[0]) > 1 and all(own == below[0] for own in below))


def made_of(names: Sequence[str]) -> dict[str, str]:
    """Return the images that are called as one beside them and a word for how they were made.

    “lesion_3_rot90” is made of “lesion_3”, and “flipped_lesion_3” is too.
    """
    beside = {stem(name).lower(): name for name in names}
    found: dict[str, str] = {}
    for name in names:
        folder, _, file = stem(name).lower().rpartition("/")
        for pattern in (_MADE_TAIL, _MADE_HEAD):
            own = pattern.match(file)
            of = own and beside.get(f"{folder}/{own['base']}" if folder else own["base"])
            if of:
                found[name] = of
                break
    return found
