"""Files that hold several frames, slices or channels: which of them is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from imil.datasets.choices import MIDDLE, PickedFrame, parse_frame
from imil.datasets.layout.decisions.draft import NONE, Draft
from imil.datasets.layout.reading import MOST_CHOICES
from imil.datasets.layout.sheets import Column, any_column

# Columns that say it, by letters and digits alone.
_COLUMNS = ("frame", "framenumber", "slice")
_TEXT = "Which frame, slice or channel is read of files with several?"


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of one file.

    Attributes:
        count: how many it has; slices of a volume.
        names: of each, where the file names all of them; else none.
        refused: why none of them can be read; "" where they can.
    """

    count: int
    names: tuple[str, ...] = ()
    refused: str = ""

    def why_not(self, picked: PickedFrame | None) -> str:
        """Say in one sentence why a frame can't be read; "" where it can."""
        if self.refused or self.count < 2:
            return self.refused
        if picked is None:
            named = f" ({', '.join(self.names[:MOST_CHOICES])})" if self.names else ""
            return (
                f"It has {self.count} frames{named}: pick one, counted from 1, or name it in a "
                "column “frame”."
            )
        if picked != MIDDLE and not 1 <= picked <= self.count:
            return f"It has {self.count} frames, and no frame {picked}."
        return ""

    def number(self, picked: PickedFrame | None) -> int:
        """Return which one is read, counted from 1: of a file with one, that."""
        if self.count < 2 or picked is None:
            return 1
        return self.count // 2 + 1 if picked == MIDDLE else picked


def pick_frames(
    draft: Draft,
    columns: Mapping[str, Column],
    frames: Mapping[str, Frames],
    labels: Collection[str],
) -> dict[str, str]:
    """Return which frame of its file each image is, by file; files without a pick are left out.

    It is asked where half of the images or more hold several. A number, or the middle one, may be
    answered whatever there is: of files with one frame, that is read.

    Args:
        draft: what was found so far.
        columns: of the tables.
        frames: of files that hold several, or that can't be read.
        labels: files that have a label.
    """
    named = [name for name in draft.names if name in labels]
    files = {name: frames[name] for name in named if name in frames}
    draft.leave({name: each.refused for name, each in files.items() if each.refused})
    several = {name: each for name, each in files.items() if each.count > 1}
    written = parse_frame(draft.decisions.answers.get("frame", ""))
    if not several and not columns and written is None:
        return {}
    offered = _offered(several.values())
    likely = next((f"column {columns[k].title}" for k in _COLUMNS if k in columns), None)
    if likely is None and (not several or 2 * len(several) < len(named)):
        likely = NONE
    titles = sorted(f"column {column.title}" for column in columns.values())
    choices = [*([MIDDLE] if several else []), *titles, NONE, *offered]
    if written is not None:
        answer = _choice(written, offered)
        draft.decisions.answers = {**draft.decisions.answers, "frame": answer}
        choices = choices if answer in choices else [answer, *choices]
    chosen = draft.decisions.decide("frame", _TEXT, choices, likely)
    if several:
        told = "open" if chosen is None else f"“{chosen}” is read of each"
        told = "they are left out" if chosen == NONE else told
        draft.decisions.tell(f"frames: {len(several)} of {len(named)} files hold several; {told}.")
    if chosen is None:
        return {}
    own = any_column(columns).get(chosen)
    if own is None:
        frame = parse_frame(chosen)
        own = {} if frame is None else dict.fromkeys(several, str(frame))
    reasons = {name: _why_not(each, own.get(name, "")) for name, each in several.items()}
    draft.leave({name: why for name, why in reasons.items() if why})
    return own


def _why_not(frames: Frames, written: str) -> str:
    picked = parse_frame(written)
    if picked is None and written:
        return f"Its row asks for frame “{written}”, which is none."
    return frames.why_not(picked)


def _offered(files: Collection[Frames]) -> list[str]:
    """Return a choice for each frame that a file has, with its name where all files agree."""
    most = max((each.count for each in files), default=0)
    named: list[set[str]] = [set() for _ in range(min(most, MOST_CHOICES))]
    for each in files:
        for own, name in zip(named, each.names, strict=False):
            own.add(name)
    return [
        f"frame {number}: {min(own)}" if len(own) == 1 else f"frame {number}"
        for number, own in enumerate(named, start=1)
    ]


def _choice(picked: PickedFrame, offered: Sequence[str]) -> str:
    if picked == MIDDLE:
        return MIDDLE
    return offered[picked - 1] if 1 <= picked <= len(offered) else f"frame {picked}"
