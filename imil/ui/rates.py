"""How often one session may ask for what is expensive: so that none takes the machine from all."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from imil.errors import ComputeError
from imil.ui import text
from imil.ui.numbers import duration

Callback = TypeVar("Callback", bound=Callable[..., Any])

# Sessions that are remembered; the one that asked longest ago is forgotten first.
SESSIONS = 10_000
# Where a callback says what it costs.
_MARK = "cost"


class Cost(StrEnum):
    """What is expensive about a call."""

    BEGIN = "begin"
    TRAIN = "train"
    ASK = "ask"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in so many seconds."""

    calls: int
    seconds: float


# Several times what somebody does who works in a hurry, and what a script needs that waits for its
# answers. Our choice.
RATES = {
    # Sets are read and copied; ordinarily one an hour.
    Cost.BEGIN: Rate(40, 600),
    # A training waits for its turn, but each is a task on the disk.
    Cost.TRAIN: Rate(60, 600),
    # Passes of the model on one image: after each stroke, and for each map.
    Cost.ASK: Rate(600, 60),
    # All images, masks or models of a study in a file.
    Cost.EXPORT: Rate(120, 600),
}


def costs(cost: Cost) -> Callable[[Callback], Callback]:
    """Mark a callback as expensive; the page counts it, see `Rates`."""

    def mark(callback: Callback) -> Callback:
        setattr(callback, _MARK, cost)
        return callback

    return mark


def cost_of(callback: Callable[..., Any] | None) -> Cost | None:
    """Return what a callback was marked with."""
    return getattr(callback, _MARK, None)


@dataclass(slots=True)
class Rates:
    """What each session has asked for lately.

    Attributes:
        rates: how often what may be asked for.
        clock: seconds that only grow.
    """

    rates: dict[Cost, Rate] = field(default_factory=lambda: dict(RATES))
    clock: Callable[[], float] = time.monotonic
    _asked: OrderedDict[tuple[str, Cost], deque[float]] = field(default_factory=OrderedDict)

    def spend(self, session: str, cost: Cost) -> None:
        """Count a call; ComputeError where it is one too many, which then is not counted."""
        rate, now = self.rates[cost], self.clock()
        asked = self._asked.setdefault((session, cost), deque())
        self._asked.move_to_end((session, cost))
        while asked and asked[0] <= now - rate.seconds:
            asked.popleft()
        if len(asked) >= rate.calls:
            raise _too_often(cost, rate, wait=asked[0] + rate.seconds - now)
        asked.append(now)
        while len(self._asked) > SESSIONS:
            self._asked.popitem(last=False)


def _too_often(cost: Cost, rate: Rate, *, wait: float) -> ComputeError:
    numbers = {
        "acts": text.COSTS[cost.value],
        "calls": rate.calls,
        "within": duration(rate.seconds),
        "wait": duration(wait),
    }
    what, why, fix = (words.format(**numbers) for words in text.TOO_OFTEN)
    return ComputeError(what, why=why, fix=fix)
