from __future__ import annotations

from xml.etree import ElementTree as ET

from imil.report.charts import run_plots
from tests.core.evaluation.test_doses import found


def words(svg: str) -> str:
    return " ".join(ET.fromstring(svg).itertext())  # noqa: S314  # our own


def test_a_comparison_without_shares_has_the_plot_of_gains_alone() -> None:
    plots = run_plots(found(("imil", (40, 40), None, 7.0)))

    assert set(plots) == {"gain.svg"}
    assert "imil" in words(plots["gain.svg"])


def test_shares_are_drawn_against_masks_and_where_they_were_timed_against_minutes() -> None:
    simulated = (("imil", (40, 40), None, 7.0), ("imil+1%", (10, 10), None, 1.0))
    timed = (("imil", (40, 40), 600.0, 7.0), ("imil+1%", (10, 10), 120.0, 1.0))

    assert set(run_plots(found(*simulated))) == {"gain.svg", "masks.svg"}
    plots = run_plots(found(*timed))
    assert set(plots) == {"gain.svg", "masks.svg", "minutes.svg"}
    assert "training images masked" in words(plots["masks.svg"])
    assert "minutes of a clinician" in words(plots["minutes.svg"])
