"""A finished comparison as one HTML file: plots inside, no network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape

from imil.core.evaluation.cases import Cases
from imil.core.evaluation.rounds import Round
from imil.core.records import Plan
from imil.core.review.agreement import ReaderSummary
from imil.report.cards.readers_card import readers_words
from imil.report.cards.verdict_card import verdict_card
from imil.report.in_words import in_words
from imil.report.parts import numbers, text
from imil.report.parts.markup import ASSETS, heading
from imil.report.parts.tables import card
from imil.report.round_page import round_page

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
    settings = {key.replace("_", " "): f"{value}" for key, value in asdict(plan).items()}
    about = {
        text.COLUMN_SPLIT: text.SPLITS[found.split],
        text.COLUMN_IMAGES: numbers.count(found.images),
        text.REPORT_PROOF: proof,
    }
    page = round_page(found, classes, cases=cases, rounds=rounds)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)} · {text.TITLE}</title><style>{style}</style></head>"
        f'<body class="gradio-container"><main class="report stackup">'
        f"<h1>{escape(name)}</h1>"
        f'<p><span class="ruo">{escape(text.RESEARCH_ONLY)}</span></p>'
        f"{verdict_card(found)}{page}{readers_words(readers)}{_in_words(found)}"
        f'<div class="pairup">{_facts(text.REPORT_DATA, about)}'
        f"{_facts(text.REPORT_VERSIONS, versions)}</div>"
        f"{_facts(text.PLAN, settings)}</main></body></html>"
    )


def _in_words(found: Round) -> str:
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in in_words(found))
    return card(text.REPORT_WORDS, f'<ul class="words">{sentences}</ul>')


def _facts(title: str, facts: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>'
        for key, value in facts.items()
    )
    return (
        f'<section class="card">{heading(title)}<table class="mt"><tbody>{rows}</tbody></table>'
        "</section>"
    )
