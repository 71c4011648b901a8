"""Figures in the documents are those that were measured: each row against the raw figures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.finding_check import check_table
from benchmarks.pictures import gain_pictures
from benchmarks.pixel_model import pixel_model_table
from tests.standins.documents import ROOT, Document

RESULTS = ROOT / "benchmarks" / "results"
FILMS = json.loads((RESULTS / "bench_films.json").read_text(encoding="utf-8"))
ALL_ARMS = json.loads((RESULTS / "bench_films_all_arms.json").read_text(encoding="utf-8"))
SKIN = json.loads((RESULTS / "bench_isic2017.json").read_text(encoding="utf-8"))["study"]


def points(found: Mapping[str, float]) -> str:
    return f"{found['points']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}]"


def plain(cell: str) -> str:
    """Return a cell with the minus of programs."""
    return cell.replace("−", "-")


def outcome(paired: Mapping[str, Any]) -> str:
    return f"{points(paired['accuracy'])} {paired['verdict'].replace('_', ' ')}"


def short(paired: Mapping[str, Any]) -> str:
    """Return the outcome without a word for no difference, of today's rule or the earlier one."""
    return outcome(paired).removesuffix(" no clear difference").removesuffix(" not shown")


def mean(figures: list[float]) -> str:
    return f"{np.mean(figures):.3f}"


# ---- the README ----


def readme_rows() -> Iterator[list[str]]:
    """Yield what the README's table has to say, from the raw figures."""
    arms = ("imil", "propagated", "upweight")
    for cell in FILMS["cells"]:
        wrong = f", {100 * cell['label_noise']:g} % wrong labels" if cell["label_noise"] else ""
        yield [
            f"films, shortcut {cell['shortcut']:g}{wrong}",
            mean(cell["accuracy"]["control"]),
            *(short(cell["paired"][arm]) for arm in arms),
        ]
    yield [
        "skin lesions (ISIC 2017)",
        mean(SKIN["arms"]["control"]["accuracy"]),
        *(short(SKIN["paired"][arm]) for arm in arms),
    ]


def test_the_table_in_the_readme_is_what_was_measured() -> None:
    rows = [[plain(c) for c in row] for row in Document(ROOT / "README.md").rows()]
    table = [row for row in rows if len(row) == 5 and re.match(r"films|skin", row[0])]

    assert table == list(readme_rows())


def test_what_the_readme_says_of_the_table_is_so() -> None:
    cells = FILMS["cells"]
    verdicts = [cell["paired"]["imil"]["verdict"] for cell in cells]
    closed = [cell["paired"]["propagated"]["share_closed"] for cell in cells]
    skin = [paired["verdict"] for paired in SKIN["paired"].values()]

    # “helped in none of eight settings and harmed in three”
    assert (len(verdicts), verdicts.count("helps"), verdicts.count("harmful")) == (8, 0, 3)
    # “won back 96 % or more of what a strong shortcut costs”
    assert all(round(100 * share["value"]) >= 96 for share in closed if share)
    # “within 0.2 points of the best in every setting”
    assert FILMS["rule"]["elsewhere"]["pooled"]["worst_regret"] < 0.25
    # “no arm was shown to help”
    assert "shown" not in skin


# ---- results ----


@pytest.mark.parametrize(("content", "arms"), [(FILMS, 5), (ALL_ARMS, 18)])
def test_tables_of_films_are_what_was_measured(content: dict[str, Any], arms: int) -> None:
    rows = Document(ROOT / "docs" / "results" / "films.md").rows()

    assert len(content["arms"]) == arms
    for noise in (0.0, 0.04):
        cells = [cell for cell in content["cells"] if cell["label_noise"] == noise]
        controls = ["control", *(mean(cell["accuracy"]["control"]) for cell in cells)]
        assert controls in rows
        table = rows[rows.index(controls) + 1 :][: arms - 1]
        for arm, row in zip(content["arms"][1:], table, strict=True):
            assert row[0] == arm
            for cell, said in zip(cells, row[1:], strict=True):
                closed = cell["paired"][arm]["share_closed"]
                share = "" if closed is None else f", closes {closed['value']:.0%}"
                assert said == outcome(cell["paired"][arm]) + share


@pytest.mark.parametrize("content", [FILMS, ALL_ARMS], ids=["five", "all"])
def test_what_following_the_recommendation_cost_is_what_was_measured(
    content: dict[str, Any],
) -> None:
    page = Document(ROOT / "docs" / "results" / "films.md")
    rows = page.rows()

    rule = content["rule"]
    chosen = (
        {
            "recommended, unsure where it will work": "recommended",
            "recommended for elsewhere": "elsewhere",
        }
        if "elsewhere" in rule
        else {"recommended": "recommended", "by swapped accuracy alone": "by_swapping"}
    )
    for kind, what in (("pooled", "settings"), ("single", "studies of one seed")):
        for name, scores in (
            *((name, rule[key]) for name, key in chosen.items()),
            *((f"always {arm}", rule["always"][arm]) for arm in ("imil", "propagated")),
        ):
            score = scores[kind]
            regret, gain = (
                points({"points": score[key]["value"], **score[key]}) for key in ("regret", "gain")
            )
            counts = [f"{score['cases']} {what}", f"{score['best']}", f"{score['harmful']}"]
            assert [name, *counts, regret, f"{score['worst_regret']:.1f}", gain] in rows
    for target in FILMS["targets"]:
        met = "met" if target["met"] else "missed"
        assert f"- **{met}**: {target['words']}: {target['found']}." in page.body


def test_what_is_said_of_the_papers_way_is_what_was_measured() -> None:
    rows = Document(ROOT / "docs" / "results" / "the-papers-way.md").rows()

    said = [row[3] for row in rows if len(row) == 5 and row[0].startswith(("films", "skin"))]
    skin = SKIN["paired"]["imil"]["accuracy"]
    cells = [cell["paired"]["imil"]["accuracy"] for cell in FILMS["cells"]]
    assert said == [points(found) for found in (*cells, skin)]
    strong = next(c for c in ALL_ARMS["cells"] if (c["shortcut"], c["label_noise"]) == (0.95, 0))
    arms = ("imil", "random_mask", "imil_append", "random_sample", "upweight")
    compared = {row[0].partition(",")[0].strip("`"): row[1] for row in rows if len(row) == 3}
    assert compared == compared | {a: points(strong["paired"][a]["accuracy"]) for a in arms}


def test_pictures_of_results_show_what_was_measured() -> None:
    for name, plot in gain_pictures().items():
        drawn = (ROOT / "assets" / "results" / name).read_text(encoding="utf-8")

        assert re.findall(r">([^<>]*\[[^<>]*\])<", drawn) == re.findall(
            r">([^<>]*\[[^<>]*\])<", plot
        )


def test_the_table_of_skin_lesions_is_what_was_measured() -> None:
    rows = Document(ROOT / "docs" / "results" / "real-images.md").rows()
    metrics = ("accuracy", "balanced_accuracy", "swapped_balanced_accuracy")

    for arm, figures in SKIN["arms"].items():
        (row,) = (row for row in rows if row[0] == arm)
        assert row[1:4] == [mean(figures[metric]).removeprefix("0") for metric in metrics]
        if arm != "control":
            paired = SKIN["paired"][arm]
            assert row[4:] == [
                *(points(paired[metric]) for metric in metrics[:2]),
                points(paired["swapped"][metrics[2]]),
                paired["verdict"].replace("_", " "),
            ]


# ---- the rest ----


def test_speed_on_a_gpu_is_that_of_the_last_measured_one() -> None:
    measured = json.loads((RESULTS / "gpu_speed.json").read_text(encoding="utf-8"))
    page = Document(ROOT / "docs" / "performance.md").body

    assert measured["gpu"] in page
    for rate in measured["rates"]:
        middle = np.median(rate["images_per_second"]["control"])
        share = rate["of_the_bare_step"]["control"]
        assert f"| {round(middle):,} | {share:.2f} |" in page


def test_what_the_pixel_model_gained_is_what_was_measured() -> None:
    measured = json.loads((RESULTS / "pixel_model.json").read_text(encoding="utf-8"))
    page = Document(ROOT / "docs" / "trials" / "pixel-model.md").body

    assert pixel_model_table(measured) in page
    spent = measured["seconds_of_one_core_a_study"]["and pretrained stages"]
    assert f"{spent:.0f} s of one core for 1,500 images" in page


def test_how_often_the_finding_check_warns_is_what_was_measured() -> None:
    measured = json.loads((RESULTS / "finding_check.json").read_text(encoding="utf-8"))
    page = Document(ROOT / "docs" / "trials" / "finding-check.md").body

    assert check_table(measured) in page
    assert f"{measured['seconds_of_one_core']:.0f} s of one core" in page
