"""Which files are images: neither copies, nor masks, nor the same images made differently."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from imil.datasets.layout import words
from imil.datasets.layout.decisions.draft import ALL, Draft
from imil.datasets.layout.masks import (
    SURE_OF_MASKS,
    UNSURE,
    copies,
    is_telling,
    made_of,
    mask_groups,
    variants,
)
from imil.datasets.layout.matching import stem
from imil.errors import DataError

# Nothing is left out; patterns that are read; for blank images, bytes that are looked at, and
# images that show something until no further one is, and all of them.
NO_PATTERN, MOST_PATTERNS = "nothing", 50
MOST_BLANK, MOST_LOOKED_AT, MOST_BLANK_BYTES = 400, 4000, 64 * 2**20
_MASKS, _LEAVE, _IMAGES = "reference masks", "left out", "images"


def drop_copies(draft: Draft, sizes: Mapping[str, int], digest: Callable[[str], object]) -> None:
    """Leave out files that are byte for byte others of the same name."""
    found = copies(draft.names, sizes, digest)
    draft.leave({name: f"It is a copy of “{kept}”." for name, kept in found.items()})
    if found:
        draft.decisions.tell(
            f"copies: {len(found)} images are byte for byte others of the same name, and are "
            "taken once."
        )


def leave_named(draft: Draft) -> None:
    """Leave out the files that a person named by patterns, as in “pred/*; *_old”.

    Raises:
        DataError: a pattern fits no file.
    """
    written = draft.decisions.answers.get("leave", NO_PATTERN).strip()
    draft.decisions.decide(
        "leave",
        "Which files are left out, by name or folder?",
        tuple(dict.fromkeys((NO_PATTERN, written))),
        NO_PATTERN,
    )
    if written in (NO_PATTERN, ""):
        return
    for pattern in [part.strip() for part in written.split(";") if part.strip()][:MOST_PATTERNS]:
        found = [name for name in draft.names if _fits(name, pattern)]
        if not found:
            raise DataError(
                f"No image is called “{pattern}”.",
                why="A pattern is a file's name or a folder's, with * for anything.",
                fix="Write it as in “pred/*”, or “*_old.png”; put “;” between several.",
                question="leave",
            )
        draft.leave(dict.fromkeys(found, f"You left out “{pattern}”."))
        draft.decisions.tell(f"left out: {len(found)} images called “{pattern}”, by your answer.")


def _fits(name: str, pattern: str) -> bool:
    """Return whether the end of a path, or a folder in it, is called so, in any case."""
    own, wanted = name.casefold(), pattern.casefold().strip("/")
    return any(fnmatchcase(f"/{own}", f"*/{each}") for each in (wanted, f"{wanted}/*")) or (
        fnmatchcase(stem(own).rpartition("/")[2], wanted)
    )


def drop_blank(draft: Draft, sizes: Mapping[str, int], blank: Callable[[str], str]) -> None:
    """Leave out images that show nothing, as far as they are looked at: the smallest files first.

    What a file with nothing on it packs into is small. Where most show nothing, that is told alone.
    Larger ones are met when they are read.
    """
    smallest = sorted(draft.names, key=lambda name: (sizes.get(name, 0), name))
    left = MOST_BLANK_BYTES
    found: dict[str, str] = {}
    for looked, name in enumerate(smallest[:MOST_LOOKED_AT]):
        left -= sizes.get(name, 0)
        if left < 0 or looked - len(found) >= MOST_BLANK:
            break
        if why := blank(name):
            found[name] = why
    if 2 * len(found) > len(draft.names):
        draft.decisions.tell(f"blank: {len(found)} images, most of all, show nothing.")
    elif found:
        draft.decisions.tell(f"blank: {len(found)} images show nothing, and are left out.")
        draft.leave(found)


def part_made(draft: Draft) -> None:
    """Decide what becomes of images that were made of one beside them: turned, cropped, noisy."""
    found = made_of(draft.names)
    if not found:
        return
    one = min(found)
    chosen = draft.decisions.decide(
        "made",
        f"Were {len(found)} images made of others, as “{posixpath.basename(one)}” of "
        f"“{posixpath.basename(found[one])}”?",
        (_LEAVE, _IMAGES),
        None,
    )
    draft.decisions.tell(f"made: {len(found)} images are called as others with a word for a copy.")
    if chosen != _IMAGES:
        draft.leave({name: f"It was made of “{of}”." for name, of in found.items()})


def part_masks(draft: Draft, flat: Callable[[str], bool | None]) -> None:
    """Decide which files are masks, and whether they are taken as such."""
    groups = [g for g in mask_groups(draft.names, flat) if g.points >= UNSURE]
    if not groups:
        return
    found = {name: other for group in groups for name, other in group.of.items()}
    told = ", ".join(group.name for group in groups)
    sure = all(group.points >= SURE_OF_MASKS for group in groups)
    chosen = draft.decisions.decide(
        "masks",
        f"Are the {len(found)} images in {told} masks?",
        (_MASKS, _LEAVE, _IMAGES),
        _MASKS if sure else None,
    )
    two = any(group.two_valued for group in groups)
    draft.decisions.tell(
        f"masks: {len(found)} images by {told}"
        + (", of two values alone" if two else "")
        + f"; {sum(other is not None for other in found.values())} belong to an image."
    )
    if chosen == _LEAVE:
        draft.leave(dict.fromkeys(found, "It is a mask."))
    elif chosen != _IMAGES:
        draft.take_masks(found)


def pick_variant(draft: Draft) -> None:
    """Decide which folder is read where several hold the same images, made differently."""
    found = variants(draft.names)
    if found is None:
        return
    level, parts = found
    made = {folder: sum(w in words.DERIVED for w in words.words(folder)) for folder in parts}
    fewest = [folder for folder in sorted(made) if made[folder] == min(made.values())]
    below = any(name.count("/") > level + 1 for name in draft.names)
    telling = sum(map(is_telling, draft.names))
    sure = len(fewest) == 1 and (below or 2 * telling > len(draft.names))
    chosen = draft.decisions.decide(
        "variant",
        "The same images seem to lie in several folders. Which are to be read?",
        (*sorted(parts), ALL),
        fewest[0] if sure else None,
    )
    folders = ", ".join(f"“{folder}”" for folder in sorted(parts))
    draft.decisions.tell(
        f"variants: the folders {folders} hold the same images or classes, made differently."
    )
    if chosen not in (None, ALL):
        dropped = [n for folder, own in parts.items() if folder != chosen for n in own]
        why = f"“{chosen}” holds these images too, and is what is read."
        draft.leave(dict.fromkeys(dropped, why))
