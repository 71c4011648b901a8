"""What the method is meant to reach, and whether a benchmark reached it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.grid import CLEAN, RIVAL
from imil.core.arms.variants import CONTROL
from imil.core.evaluation.metrics import Metric, Robustness
from imil.core.evaluation.verdict import MIN_SEEDS
from imil.core.records import Arm

# Where a share of the gap is to be closed, and how much of it by which arm.
GAP_SHORTCUT = 0.95
SHARES = {Arm.COUNTEREXAMPLE.value: 0.70, Arm.PROPAGATED.value: 0.95}
# What the reference nets must reach on films without a shortcut, in every seed.
LEAST_CLEAN = 0.95
# The most that following the recommendation may cost, points: what its interval must stay above.
MOST_HARM = -0.5
# On real images: the paper's gain of accuracy, and the gain of balanced accuracy when swapped.
PAPERS_GAIN = 4.2
SWAPPED_GAIN = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """One aim.

    Attributes:
        words: what was to be reached.
        met: whether it was; None where the benchmark can't tell.
        found: what was found instead, in words.
    """

    words: str
    met: bool | None
    found: str


def film_targets(cells: Sequence[Mapping[str, Any]], *, seeds: int) -> tuple[Target, ...]:
    """Return the aims on films, from the cells of `bench.json`."""
    return (
        *_valid(cells),
        *(
            target
            for cell in cells
            if cell["shortcut"] == GAP_SHORTCUT
            for target in _gap(cell, seeds)
        ),
        _no_harm(cells, seeds),
    )


def image_targets(study: Mapping[str, Any], *, share_masked: float) -> tuple[Target, ...]:
    """Return the aims on real images, from `study` of `bench.json`.

    Each is met by whichever arm meets it, and then named: all arms count, since the aim is that
    some arm reaches it. Our choice.
    """
    few = len(study["seeds"]) < MIN_SEEDS
    paired: Mapping[str, Mapping[str, Any]] = study["paired"]
    ordinary = {arm: found[Metric.ACCURACY.value] for arm, found in paired.items()}
    swapped = {
        arm: found["swapped"][Robustness.SWAPPED_BALANCED_ACCURACY.value]
        for arm, found in paired.items()
        if found["swapped"]
    }
    pair = (Metric.ACCURACY.value, Metric.BALANCED_ACCURACY.value)
    unharmed = {arm for arm, found in paired.items() if all(found[m]["high"] >= 0 for m in pair)}
    masked = f"{share_masked:.1%} masked"
    return (
        _reached(
            f"accuracy {PAPERS_GAIN:+.1f} points against control, interval above 0 ({masked})",
            {arm: (found, found["low"] > 0) for arm, found in ordinary.items()},
            PAPERS_GAIN,
            few,
        ),
        _reached(
            f"balanced accuracy when swapped {SWAPPED_GAIN:+.0f} points against control, interval "
            "above 0, ordinary figures not harmed",
            {arm: (found, found["low"] > 0 and arm in unharmed) for arm, found in swapped.items()},
            SWAPPED_GAIN,
            few,
        ),
    )


def _valid(cells: Sequence[Mapping[str, Any]]) -> Iterator[Target]:
    for cell in cells:
        if cell["shortcut"] == CLEAN:
            lowest = min(cell["accuracy"][CONTROL])
            yield Target(
                f"control reaches {LEAST_CLEAN:.0%} on films without a shortcut in every seed "
                f"(label noise {cell['label_noise']:.0%})",
                lowest >= LEAST_CLEAN,
                f"lowest {lowest:.1%}",
            )


def _gap(cell: Mapping[str, Any], seeds: int) -> Iterator[Target]:
    where = f"shortcut {cell['shortcut']:g}, label noise {cell['label_noise']:.0%}"
    for arm, aim in SHARES.items():
        words = f"{arm} closes {aim:.0%} of the gap, interval above 0 ({where})"
        closed = cell["paired"].get(arm, {}).get("share_closed")
        if closed is None:
            yield Target(words, None, "no gap of five points was measured")
            continue
        found = f"{closed['value']:.0%} [{closed['low']:.0%}, {closed['high']:.0%}]"
        missing = aim - closed["value"]
        more = f", {100 * missing:.0f} points of share short" if missing > 0 else ""
        met = missing <= 0 and closed["low"] > 0
        yield Target(words, met if seeds >= MIN_SEEDS else None, found + more + _few(seeds))
    words = f"the recommended arm beats {RIVAL}, interval above 0 ({where})"
    recommended = cell["recommended"]
    rival = recommended["against_rival"]
    if rival is None:
        yield Target(words, None, f"{RIVAL} was not run")
        return
    found = f"{recommended['arm']} {_interval(rival)}" + _few(seeds)
    yield Target(words, rival["low"] > 0 if seeds >= MIN_SEEDS else None, found)


def _no_harm(cells: Sequence[Mapping[str, Any]], seeds: int) -> Target:
    words = f"nowhere is the recommended arm's lower bound under {MOST_HARM:+.1f} points"
    lows = [(cell["recommended"]["against_control"]["low"], cell) for cell in cells]
    under = [
        f"{cell['recommended']['arm']} {low:+.1f} at shortcut {cell['shortcut']:g}, label noise "
        f"{cell['label_noise']:.0%}"
        for low, cell in lows
        if low < MOST_HARM
    ]
    found = f"lowest bound {min(low for low, _ in lows):+.1f}, {len(cells)} settings"
    if under:
        found = f"under it in {len(under)} of {len(cells)} settings: {'; '.join(under)}"
    return Target(words, not under if seeds >= MIN_SEEDS else None, found + _few(seeds))


def _reached(
    words: str,
    found: Mapping[str, tuple[Mapping[str, float], bool]],
    aim: float,
    few: bool,
) -> Target:
    if not found:
        return Target(words, None, "not measured")
    best = max(found, key=lambda arm: found[arm][0]["points"])
    good = [arm for arm, (points, sure) in found.items() if points["points"] >= aim and sure]
    short = aim - found[best][0]["points"]
    said = "; ".join(f"{arm} {_interval(found[arm][0])}" for arm in good or [best])
    more = f", {short:.1f} points short" if not good and short > 0 else ""
    return Target(words, None if few else bool(good), said + more + (_few(1) if few else ""))


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['points']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}]"


def _few(seeds: int) -> str:
    return "" if seeds >= MIN_SEEDS else f"; fewer than {MIN_SEEDS} seeds are no evidence"
