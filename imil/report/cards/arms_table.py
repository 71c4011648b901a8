"""Every arm against control: figures as text, intervals as a plot in the same rows."""

from __future__ import annotations

from html import escape
from math import isnan, nan

from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, Paired, Round
from imil.report.cards.verdict_card import TONES, interval_known, main_arm, second_arm, verdict_word
from imil.report.parts import numbers, text
from imil.report.parts.figures import interval_axis, interval_domain, interval_row
from imil.report.parts.markup import badge, heading
from imil.report.parts.tables import remark


def arms_table(found: Round) -> str:
    """Return the table of arms with its interval plot."""
    known = interval_known(len(found.seeds))
    domain = interval_domain([_interval(paired, known=known) for paired in found.paired])
    by_arm = {paired.arm: paired for paired in found.paired}
    named = [paired for paired in (main_arm(found), second_arm(found)) if paired is not None]
    # Named comparisons first; control, which the others are read against, last, as the reference.
    arms = sorted(
        found.arms, key=lambda arm: (arm.arm not in by_arm, by_arm.get(arm.arm) not in named)
    )
    rows = "".join(
        _row(found, arm, by_arm.get(arm.arm), domain, main=by_arm.get(arm.arm) in named)
        for arm in arms
    )
    split = text.SPLIT_WORDS[found.split]
    return (
        f'<section class="card">{heading(text.ARMS_TITLE, text.ARMS_ASIDE.format(split=split))}'
        '<table class="arms"><colgroup><col style="width:27%"><col style="width:170px">'
        '<col style="width:170px"><col><col style="width:190px"></colgroup><thead><tr>'
        f'<th scope="col">{escape(text.COLUMN_ARM)}</th>'
        f'<th scope="col" class="r">{escape(text.COLUMN_ACCURACY)}</th>'
        f'<th scope="col" class="r">{escape(text.COLUMN_POINTS)}</th>'
        f'<th class="pl" aria-hidden="true">{interval_axis(domain)}</th>'
        f'<th scope="col">{escape(text.COLUMN_VERDICT)}</th></tr></thead>'
        f"<tbody>{rows}{_majority_row(found, domain)}</tbody></table>"
        f"{''.join(map(remark, _remarks(found)))}</section>"
    )


def _remarks(found: Round) -> list[str]:
    """Return what has to be known to read the table."""
    counts = [arm.masks for arm in found.arms if any(arm.masks)]
    remarks = []
    if len(set(counts)) > 1:
        every = [masks for each in counts for masks in each]
        fewest, most = numbers.count(min(every)), numbers.count(max(every))
        remarks.append(text.ARMS_UNEQUAL.format(fewest=fewest, most=most))
    if any(paired.exploratory for paired in found.paired) and interval_known(len(found.seeds)):
        remarks.append(text.ARMS_EXPLORATORY)
    return remarks


def _interval(paired: Paired, *, known: bool) -> tuple[float, float, float]:
    gain = paired.differences[Metric.ACCURACY]
    return (gain.points, gain.low, gain.high) if known else (gain.points, nan, nan)


def _row(
    found: Round, arm: ArmFigures, paired: Paired | None, domain: tuple[float, float], *, main: bool
) -> str:
    accuracy = numbers.with_interval(arm.figures[Metric.ACCURACY])
    name, words = text.arm_name(arm.arm), text.arm_words(arm.arm)
    if any(arm.masks):
        words += " · " + text.ARM_MASKED.format(masks=numbers.span(arm.masks))
    if paired is None:
        points, verdict = escape(text.REFERENCE), ""
        plot = interval_row(None, nan, nan, domain=domain, tone="flat")
    else:
        value, low, high = _interval(paired, known=interval_known(len(found.seeds)))
        tone, picture = TONES[paired.verdict]
        around = "" if isnan(low) else f" {numbers.brackets(low, high)}"
        points = f"<b>{numbers.points(value)}</b>{around}{_level(paired, around)}"
        plot = interval_row(value, low, high, domain=domain, tone=tone)
        word = verdict_word(paired.verdict, len(found.seeds))
        verdict = badge(word, tone=tone, picture=picture)
    kind = "main" if main else "ctl" if paired is None else ""
    return (
        f'<tr class="{kind}"><th scope="row" class="n"><b>{escape(name)}'
        f"{_marks(found, arm, paired)}</b><span>{escape(words)}</span></th>"
        f'<td class="r ac">{escape(accuracy)}</td>'
        f'<td class="r pt">{points}</td><td class="pl">{plot}</td><td class="v">{verdict}</td></tr>'
    )


def _marks(found: Round, arm: ArmFigures, paired: Paired | None) -> str:
    """Return what is said of an arm beside its name."""
    marks = badge(text.RECOMMENDED, tone="info") if arm.arm == found.recommended else ""
    if paired is not None and paired.exploratory:
        marks += badge(text.EXPLORATORY, tone="flat")
    return marks


def _level(paired: Paired, around: str) -> str:
    """Return at which level an exploratory arm's interval stands."""
    if not around or not paired.exploratory:
        return ""
    level = text.ARM_LEVEL.format(level=numbers.percent(paired.levels[Metric.ACCURACY]))
    return f"<small>{escape(level)}</small>"


def _majority_row(found: Round, domain: tuple[float, float]) -> str:
    plot = interval_row(None, nan, nan, domain=domain, tone="flat")
    return (
        f'<tr class="ctl"><th scope="row" class="n"><b>{escape(text.MAJORITY)}</b>'
        f"<span>{escape(text.MAJORITY_WORDS)}</span></th>"
        f'<td class="r ac">{numbers.share(found.majority_rate)}</td><td></td>'
        f'<td class="pl">{plot}</td><td></td></tr>'
    )
