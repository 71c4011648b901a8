"""A finished comparison as one HTML file: plots inside, no network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from imil.core.evaluation.cases import Cases
from imil.core.evaluation.rounds import Round
from imil.core.records import Plan
from imil.core.review.agreement import ReaderSummary
from imil.report.cards.readers_card import readers_words
from imil.report.cards.verdict_card import verdict_card
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, render, trusted
from imil.report.round_page import round_page
from imil.report.sentences import in_words

_ADDRESS = re.compile(r"""url\((?:"[^"]*"|'[^']*'|[^)]*)\)""")


def report_html(
    found: Round,
    *,
    name: str,
    classes: tuple[str, ...],
    plan: Plan,
    proof: str,
    versions: Mapping[str, str],
    cases: Cases | None = None,
    rounds: Sequence[Round] = (),
    readers: ReaderSummary | None = None,
) -> str:
    """Return the report of one comparison, with all that is needed to read it rightly.

    Args:
        found: the comparison.
        name: the study's, for people.
        classes: class names, in label order.
        plan: how it trained.
        proof: the sentence on patients in two splits.
        versions: what the figures may depend on.
        cases: what the arms say to each image, of which counts are given; no image is shown.
        rounds: every round of the study, this one included.
        readers: who masked, and how far they agree; no mask is shown.
    """
    # Pictures in the style are those of tools that a report has not.
    style = _ADDRESS.sub("none", (ASSETS / "theme.css").read_text(encoding="utf-8"))
    return render(
        "report.html",
        name=name,
        style=trusted(style),
        verdict=verdict_card(found),
        page=round_page(found, classes, cases=cases, rounds=rounds),
        readers=readers_words(readers),
        sentences=in_words(found),
        data=(
            ("Split", text.SPLIT_NAMES[found.split]),
            ("Images", numbers.count(found.images)),
            ("Patients", proof),
        ),
        versions=list(versions.items()),
        plan=[(key.replace("_", " "), f"{value}") for key, value in asdict(plan).items()],
    )
