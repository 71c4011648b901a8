"""What is asked of ZeroGPU, and what its refusals mean for who asked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from imil.errors import ComputeError

# Seconds of a lease before the first batch: fork, CUDA, reading the images. Our choice, on the safe
# side; what is not used is not charged.
START = 8
# A lease ends by itself this long before it would be killed, s.
LEASE_MARGIN = 3
# What is asked for beyond the measured seconds: a lease that is killed loses an epoch.
_RESERVE = 1.3
# The first lease of a plan that nobody has measured, s.
_FIRST = 30
# The longest lease asked for without need, s: half of what a visitor without account has a day.
LONGEST_LEASE = 60


@dataclass(frozen=True, slots=True)
class Lease:
    """What is asked of ZeroGPU at once.

    Attributes:
        seconds: after which it is killed.
        epochs: after which it ends by itself.
        stop: a file; training stops within a batch once it is there.
    """

    seconds: int
    epochs: int
    stop: Path


class Refusal(StrEnum):
    """Why ZeroGPU ended a call, or began none; the values are the titles of its errors."""

    ABORTED = "ZeroGPU worker error"
    QUOTA = "ZeroGPU quota exceeded"
    ILLEGAL = "ZeroGPU illegal duration"
    QUEUE = "ZeroGPU queue timeout"
    NO_GPU = "ZeroGPU client error"
    CREDITS = "ZeroGPU pending credits exceeded"


@dataclass(frozen=True, slots=True)
class LeaseRefused:
    """What ZeroGPU said in place of lending a GPU; `title` is a `Refusal`, or nothing we know."""

    title: str
    message: str

    @property
    def seconds(self) -> tuple[int, int] | None:
        """The seconds that were requested and those that are left; None where it doesn't say."""
        found = re.search(r"\((\d+)s requested vs\. (\d+)s left\)", self.message)
        return None if found is None else (int(found[1]), int(found[2]))

    @property
    def wait(self) -> str | None:
        """How long to wait, such as "3 h 20 min"; None where it doesn't say."""
        found = re.search(r"Try again in (?:(\d+) days?, )?(\d+):(\d+):", self.message)
        if found is None:
            return None
        hours = 24 * int(found[1] or 0) + int(found[2])
        return f"{hours} h {int(found[3])} min"


def plan_lease(left: int, pace: float | None, longest: int, stop: Path) -> Lease:
    """Return what to ask for next.

    Args:
        left: epochs to train, of all tasks together; a segment's last answers count as one.
        pace: measured seconds an epoch; None before.
        longest: seconds not to exceed, unless one epoch takes longer.
        stop: the file that stops it.
    """
    if pace is None:
        return Lease(min(_FIRST, longest), left, stop)
    each = max(pace * _RESERVE, 1e-3)
    epochs = min(left, max(1, int((longest - START) / each)))
    return Lease(math.ceil(START + epochs * each), epochs, stop)


def shorter_lease(lease: Lease, pace: float | None, refused: LeaseRefused) -> int | None:
    """Return how many seconds may be asked for instead; None where that would bring nothing.

    Args:
        lease: what was refused.
        pace: measured seconds an epoch; None before.
        refused: why.
    """
    if refused.title == Refusal.ILLEGAL:
        allowed = lease.seconds // 2
    elif refused.title == Refusal.QUOTA and refused.seconds is not None:
        # On the present hardware half as much again is counted as was asked for.
        requested, left = refused.seconds
        allowed = left * lease.seconds // max(1, requested)
    else:
        return None
    needed = START + (LEASE_MARGIN if pace is None else pace * _RESERVE)
    return allowed if needed <= allowed < lease.seconds else None


def refusal_error(refused: LeaseRefused, *, kept: str) -> ComputeError:
    """Return what a refusal means for who asked, and when to go on; `kept` says how far it is."""
    what, why, fix = _WORDS[_kind(refused)]
    seconds = refused.seconds or (0, 0)
    said = {"wait": refused.wait, "left": seconds[1], "kept": kept}
    return ComputeError(what.format(**said), why=why.format(**said), fix=fix.format(**said))


def fruitless_error(times: int, lease: Lease) -> ComputeError:
    """Return the error of leases that brought no epoch, one after another."""
    return ComputeError(
        f"{times} leases of a GPU in a row brought no epoch.",
        why=f"They were ended within {lease.seconds} seconds each: an epoch takes longer than was "
        "expected, or memory ran out.",
        fix="Choose a smaller image size, batch or network in a new study; finished epochs are "
        "kept.",
    )


def _kind(refused: LeaseRefused) -> str:
    match refused.title:
        case Refusal.QUOTA:
            return refused.title if refused.wait else _SPACE
        case Refusal.NO_GPU:
            return _EXPIRED if "Expired" in refused.message else refused.title
        case title:
            return title if title in _WORDS else ""


_SPACE, _EXPIRED = "the Space's quota", "an old page"
# What, why and fix of each.
_BUSY = (
    "No GPU is free.",
    "More visitors want one than there are, and waiting took too long.",
    "Press Continue in a few minutes: {kept}.",
)
_WORDS = {
    Refusal.QUOTA: (
        "Your GPU time is used up. You can continue in {wait}.",
        "ZeroGPU lends each visitor some minutes a day; {left} s are left, too few for an epoch.",
        "Press Continue then: {kept}. Who is signed in to Hugging Face has more minutes.",
    ),
    _SPACE: (
        "This Space's GPU time is used up.",
        "ZeroGPU did not see who is visiting, or too many trainings were begun.",
        "Sign in to Hugging Face, reload the page and press Continue: {kept}.",
    ),
    Refusal.ILLEGAL: (
        "One epoch takes longer than ZeroGPU lends a GPU for.",
        "How long that is depends on the visitor's account.",
        "Sign in to Hugging Face and press Continue: {kept}. Or begin one with smaller images.",
    ),
    Refusal.CREDITS: (
        "Too much of your GPU time is promised to other tasks.",
        "ZeroGPU sets aside what running tasks may still use.",
        "Press Continue once one of them has ended: {kept}.",
    ),
    Refusal.QUEUE: _BUSY,
    Refusal.NO_GPU: _BUSY,
    _EXPIRED: (
        "Hugging Face does not know this page any more.",
        "It was opened so long ago that its access to GPUs has ended.",
        "Reload the page and press Continue: {kept}.",
    ),
    "": (
        "ZeroGPU does not answer as expected.",
        "The Space's log says more.",
        "Press Continue in a few minutes: {kept}.",
    ),
}
