"""How figures are written: one way on every tab."""

from __future__ import annotations

import math
from collections.abc import Sequence

from imil.core.evaluation.metrics import Interval

_SECONDS_A_MINUTE = 60
MINUTES_AN_HOUR = 60
# From here up a probability of two places would read 1.00 or .00 although it is neither.
NEARLY_ONE = 0.995
MINUS = "\N{MINUS SIGN}"
# Where there is nothing to give a figure of.
NO_NUMBER = "n/a"


def count(number: int) -> str:
    """Return a whole number with thousands set apart: 1,600."""
    return f"{number:,}"


def some(number: int, one: str, many: str) -> str:
    """Return the number with its noun: 1 image, 2 images."""
    return f"{count(number)} {one if number == 1 else many}"


def share(value: float) -> str:
    """Return a figure of 0-1 with two places and no leading zero: .87; 1.00; n/a for NaN."""
    if math.isnan(value):
        return NO_NUMBER
    return "1.00" if value >= NEARLY_ONE else f"{value:.2f}".removeprefix("0")


def percent(value: float) -> str:
    """Return a share of 0-1 as per cent with at most one place: 0.7 %, 4 %; n/a for NaN."""
    if math.isnan(value):
        return NO_NUMBER
    return f"{100 * value:.1f} %".replace(".0 ", " ").replace("-", MINUS)


def signed(value: float) -> str:
    """Return a number with its sign, a true minus: +5, −2.5, 0."""
    sign = "+" if value > 0 else MINUS if value < 0 else ""
    return f"{sign}{abs(value):g}"


def points(value: float) -> str:
    """Return signed points with one place and a true minus: +7.0, −9.9, ±0.0; n/a for NaN."""
    if math.isnan(value):
        return NO_NUMBER
    rounded = round(value, 1)
    if rounded == 0:
        return "±0.0"
    return f"{'+' if rounded > 0 else MINUS}{abs(rounded):.1f}"


def between(low: float, high: float) -> str:
    """Return an interval of points for a sentence: +6.5 to +7.5."""
    return f"{points(low)} to {points(high)}"


def brackets(low: float, high: float) -> str:
    """Return an interval of points for a table: [+6.5, +7.5]."""
    return f"[{points(low)}, {points(high)}]"


def with_interval(interval: Interval) -> str:
    """Return a figure of 0-1 with its interval: .87 (.83–.90); the figure alone without one."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return share(interval.value)
    return f"{share(interval.value)} ({share(interval.low)}–{share(interval.high)})"


def figure(interval: Interval, *, split: str, n: int) -> str:
    """Return a metric as it may stand alone: .87 (.83–.90), validation, n = 312."""
    return f"{with_interval(interval)}, {split}, n = {count(n)}"


def span(counts: Sequence[int]) -> str:
    """Return counts that may differ, one a seed: 40, or 38–40; 0 where there are none."""
    low, high = min(counts, default=0), max(counts, default=0)
    return count(high) if low == high else f"{count(low)}–{count(high)}"


def duration(seconds: float) -> str:
    """Return seconds in words: 14 s, 1 min 33 s, 2 h 5 min."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, _SECONDS_A_MINUTE)
    if not minutes:
        return f"{rest} s"
    hours, minutes_rest = divmod(minutes, MINUTES_AN_HOUR)
    if not hours:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{hours} h {minutes_rest} min"


def roughly(seconds: float) -> str:
    """Return seconds in the largest unit that they fill, for what is looked up every few: 2 min."""
    minutes = max(0, round(seconds)) // _SECONDS_A_MINUTE
    if not minutes:
        return duration(seconds)
    hours = minutes // MINUTES_AN_HOUR
    return f"{hours} h" if hours else f"{minutes} min"
