"""Which files are images: neither copies, nor masks, nor the same images made differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imil.datasets.layout import words
from imil.datasets.layout.decisions.draft import ALL, Draft
from imil.datasets.layout.masks import (
    SURE_OF_MASKS,
    UNSURE,
    copies,
    is_telling,
    mask_groups,
    variants,
)

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
