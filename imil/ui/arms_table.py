"""Every arm against control: figures as text, intervals as a plot in the same rows."""

from __future__ import annotations

from html import escape
from math import isnan, nan

from imil.core.metrics import Interval, Metric
from imil.core.records import Split
from imil.core.rounds import ArmFigures, Paired, Round
from imil.ui import numbers, text
from imil.ui.figures import interval_axis, interval_domain, interval_row, training_curves
from imil.ui.markup import badge, heading
from imil.ui.verdict_card import TONES, interval_known, main_arm, verdict_word

SPLIT_WORDS = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test"}


def arms_table(found: Round) -> str:
    """Return the table of arms with its interval plot."""
    known = interval_known(len(found.seeds))
    domain = interval_domain([_interval(paired, known=known) for paired in found.paired])
    by_arm = {paired.arm: paired for paired in found.paired}
    main = main_arm(found)
    # Control is what the others are read against: it stands last, as the reference.
    arms = sorted(found.arms, key=lambda arm: arm.arm not in by_arm)
    rows = "".join(
        _row(found, arm, by_arm.get(arm.arm), domain, main=by_arm.get(arm.arm) is main is not None)
        for arm in arms
    )
    split = SPLIT_WORDS[found.split]
    return (
        f'<section class="card">{heading(text.ARMS_TITLE, text.ARMS_ASIDE.format(split=split))}'
        '<table class="arms"><colgroup><col style="width:27%"><col style="width:170px">'
        '<col style="width:170px"><col><col style="width:190px"></colgroup><thead><tr>'
        f'<th scope="col">{escape(text.COLUMN_ARM)}</th>'
        f'<th scope="col" class="r">{escape(text.COLUMN_ACCURACY)}</th>'
        f'<th scope="col" class="r">{escape(text.COLUMN_POINTS)}</th>'
        f'<th class="pl" aria-hidden="true">{interval_axis(domain)}</th>'
        f'<th scope="col">{escape(text.COLUMN_VERDICT)}</th></tr></thead>'
        f"<tbody>{rows}{_majority_row(found, domain)}</tbody></table></section>"
    )


def _interval(paired: Paired, *, known: bool) -> tuple[float, float, float]:
    gain = paired.differences[Metric.ACCURACY]
    return (gain.points, gain.low, gain.high) if known else (gain.points, nan, nan)


def _row(
    found: Round, arm: ArmFigures, paired: Paired | None, domain: tuple[float, float], *, main: bool
) -> str:
    accuracy = _figure(arm.figures[Metric.ACCURACY])
    name, words = text.ARM_NAMES[arm.arm], text.ARM_WORDS[arm.arm]
    if paired is None:
        points, verdict = escape(text.REFERENCE), ""
        plot = interval_row(None, nan, nan, domain=domain, tone="flat")
    else:
        value, low, high = _interval(paired, known=interval_known(len(found.seeds)))
        tone, picture = TONES[paired.verdict]
        around = "" if isnan(low) else f" {numbers.brackets(low, high)}"
        points = f"<b>{numbers.points(value)}</b>{around}"
        plot = interval_row(value, low, high, domain=domain, tone=tone)
        word = verdict_word(paired.verdict, len(found.seeds))
        verdict = badge(word, tone=tone, picture=picture)
    kind = "main" if main else "ctl" if paired is None else ""
    return (
        f'<tr class="{kind}"><th scope="row" class="n"><b>{escape(name)}</b>'
        f'<span>{escape(words)}</span></th><td class="r ac">{escape(accuracy)}</td>'
        f'<td class="r pt">{points}</td><td class="pl">{plot}</td><td class="v">{verdict}</td></tr>'
    )


def _majority_row(found: Round, domain: tuple[float, float]) -> str:
    plot = interval_row(None, nan, nan, domain=domain, tone="flat")
    return (
        f'<tr class="ctl"><th scope="row" class="n"><b>{escape(text.MAJORITY)}</b>'
        f"<span>{escape(text.MAJORITY_WORDS)}</span></th>"
        f'<td class="r ac">{numbers.share(found.majority_rate)}</td><td></td>'
        f'<td class="pl">{plot}</td><td></td></tr>'
    )


def _figure(interval: Interval) -> str:
    around = ""
    if not isnan(interval.low):
        around = f" ({numbers.share(interval.low)}–{numbers.share(interval.high)})"
    return f"{numbers.share(interval.value)}{around}"


def figures_table(found: Round) -> str:
    """Return every metric of every arm, each with its interval, split and n."""
    head = "".join(f'<th scope="col">{escape(text.ARM_NAMES[arm.arm])}</th>' for arm in found.arms)
    rows = "".join(
        f'<tr><th scope="row">{escape(text.METRICS[metric])}</th>'
        + "".join(f"<td>{escape(_figure(arm.figures[metric]))}</td>" for arm in found.arms)
        + "</tr>"
        for metric in Metric
    )
    aside = text.FIGURES_ASIDE.format(split=SPLIT_WORDS[found.split], n=numbers.count(found.images))
    return (
        f'<section class="card">{heading(text.FIGURES_TITLE, aside)}<div class="mtscroll">'
        f'<table class="mt"><thead><tr><th scope="col">{escape(text.METRIC)}</th>{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div></section>"
    )


def confusion_card(found: Round, classes: tuple[str, ...]) -> str:
    """Return the confusion matrix of each arm, counts summed over seeds."""
    tables = "".join(_confusion(arm, classes) for arm in found.arms)
    return (
        f'<section class="card">{heading(text.CONFUSION_TITLE, text.CONFUSION_ASIDE)}'
        f'<div class="cmx">{tables}</div></section>'
    )


def _confusion(arm: ArmFigures, classes: tuple[str, ...]) -> str:
    # The finding first, as in the split table.
    order = list(reversed(range(len(classes))))
    head = "".join(
        f'<th scope="col">{escape(text.SAID.format(label=classes[k]))}</th>' for k in order
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(classes[k])}</th>'
        + "".join(
            f'<td class="{"" if j == k else "err"}">{numbers.count(arm.confusion[k][j])}</td>'
            for j in order
        )
        + "</tr>"
        for k in order
    )
    return (
        f'<div><h3>{escape(text.ARM_NAMES[arm.arm])}</h3><table class="cm"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def curves_card(found: Round) -> str:
    """Return loss and accuracy by epoch of each arm's first seed."""
    plots = "".join(
        f"<div><h3>{escape(text.ARM_NAMES[arm.arm])}</h3>"
        f"{training_curves(arm.curves, planned=len(arm.curves))}</div>"
        for arm in found.arms
    )
    return (
        f'<section class="card">{heading(text.CURVES_TITLE)}<div class="pairup">{plots}</div>'
        "</section>"
    )
