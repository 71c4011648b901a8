"""How often visitors may ask for what is expensive, and how much of it is done at once.

So that one visitor never takes the app from the others, nor all of them more than it has. Visitors
are those of `imil.app.server.visitors`. For hosting only: whoever runs the app alone hardly
meets a limit.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from imil.app.server.visitors import Visitor
from imil.errors import ComputeError
from imil.report.parts import numbers
from imil.report.parts.numbers import duration

COSTS = {
    "demo": "begin demo studies",
    "begin": "begin or look into sets of images",
    "train": "start trainings",
    "ask": "ask the model",
    "export": "make files to download",
}
TOO_OFTEN = (
    "That is more than the app does for one visitor at a time.",
    "Within {within}, one visitor may {acts} {calls} times, so that all visitors are served.",
    "Go on in {wait}; nothing is lost.",
)
TRAINING_OWN = (
    "{n} of your studies train or wait to.",
    "Each takes its turn, and other visitors wait behind them.",
    "Wait until one is done, or stop one on its Train tab; nothing is lost.",
)
TRAINING_ALL = (
    "{n} studies train or wait to, as many as the app takes at a time.",
    "Each takes its turn.",
    "Try again in a while; nothing is lost.",
)

Callback = TypeVar("Callback", bound=Callable[..., Any])

# Visitors that are remembered; the one that asked longest ago is forgotten first.
VISITORS = 10_000
# Where a callback says what it costs.
_MARK = "cost"


class Cost(StrEnum):
    """What is expensive about a call."""

    DEMO = "demo"
    BEGIN = "begin"
    TRAIN = "train"
    ASK = "ask"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in so many seconds, of one person."""

    calls: int
    seconds: float


# Several times what somebody does who works in a hurry, and what a script needs that waits for its
# answers. Our choice.
RATES = {
    # A study on the disk each, of films that are there.
    Cost.DEMO: Rate(40, 600),
    # Sets are read and copied; ordinarily one an hour.
    Cost.BEGIN: Rate(40, 600),
    # A training waits for its turn, but each is a task on the disk.
    Cost.TRAIN: Rate(60, 600),
    # Passes of the model on one image: after each stroke, and for each map.
    Cost.ASK: Rate(600, 60),
    # All images, masks or models of a study in a file.
    Cost.EXPORT: Rate(120, 600),
}
# Calls that are answered at once, of all visitors; others wait in line. No visitor has more than
# half of them. All together take less than Gradio's 40 threads, so that whatever is not expensive
# never waits for what is. Our choice.
COSTS_AT_ONCE = {Cost.DEMO: 4, Cost.BEGIN: 4, Cost.TRAIN: 4, Cost.ASK: 12, Cost.EXPORT: 4}
# Studies that train, or wait to: of one person, and of all visitors. Our choice: a comparison may
# take hours, and whoever comes next waits for all that came before.
MOST_TRAINING, MOST_TRAINING_OF_ALL = 3, 60
# Calls of one person that wait in line. Far more than a page sends; a script waits for answers.
MOST_CALLS_WAITING = 100


def costs(cost: Cost) -> Callable[[Callback], Callback]:
    """Mark a callback as expensive; the page counts and limits it."""

    def mark(callback: Callback) -> Callback:
        setattr(callback, _MARK, cost)
        return callback

    return mark


def cost_of(callback: Callable[..., Any] | None) -> Cost | None:
    """Return what a callback was marked with."""
    return getattr(callback, _MARK, None)


def line_of(cost: Cost) -> str:
    """Return the name of the line in which calls of a cost wait."""
    return f"costs {cost.value}"


def share_of_one(line: str) -> int | None:
    """Return how many calls of a line are answered at once for one visitor; None for any number."""
    return next((max(1, COSTS_AT_ONCE[cost] // 2) for cost in Cost if line == line_of(cost)), None)


@dataclass(slots=True)
class Rates:
    """What each visitor has asked for lately.

    Attributes:
        rates: how often what may be asked for.
        clock: seconds that only grow.
    """

    rates: dict[Cost, Rate] = field(default_factory=lambda: dict(RATES))
    clock: Callable[[], float] = time.monotonic
    _asked: OrderedDict[tuple[str, Cost], deque[float]] = field(default_factory=OrderedDict)
    _training: dict[str, Visitor] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, visitor: Visitor, cost: Cost) -> None:
        """Count a call; ComputeError where it is one too many, which then is not counted."""
        rate, now = self.rates[cost], self.clock()
        calls = rate.calls * visitor.people
        asked = self._asked.setdefault((visitor.key, cost), deque())
        self._asked.move_to_end((visitor.key, cost))
        while asked and asked[0] <= now - rate.seconds:
            asked.popleft()
        if len(asked) >= calls:
            raise _too_often(cost, Rate(calls, rate.seconds), asked[0] + rate.seconds - now)
        asked.append(now)
        while len(self._asked) > VISITORS:
            self._asked.popitem(last=False)

    def train(self, visitor: Visitor, study_id: str, busy: Callable[[str], bool]) -> None:
        """Note that a visitor lets a study train; ComputeError where too many do already.

        Args:
            visitor: who asks.
            study_id: of the study; one that trains already is no further one.
            busy: whether a study trains, or waits to.
        """
        with self._lock:
            self._training = {each: by for each, by in self._training.items() if busy(each)}
            if study_id in self._training:
                return
            own = sum(by.key == visitor.key for by in self._training.values())
            if own >= MOST_TRAINING * visitor.people:
                raise _too_many(TRAINING_OWN, own)
            if len(self._training) >= MOST_TRAINING_OF_ALL:
                raise _too_many(TRAINING_ALL, len(self._training))
            self._training[study_id] = visitor


def _too_often(cost: Cost, rate: Rate, wait: float) -> ComputeError:
    numbers = {
        "acts": COSTS[cost.value],
        "calls": rate.calls,
        "within": duration(rate.seconds),
        "wait": duration(wait),
    }
    what, why, fix = (words.format(**numbers) for words in TOO_OFTEN)
    return ComputeError(what, why=why, fix=fix)


def _too_many(words: tuple[str, str, str], count: int) -> ComputeError:
    what, why, fix = (each.format(n=numbers.count(count)) for each in words)
    return ComputeError(what, why=why, fix=fix)
