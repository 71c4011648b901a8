from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.charts import image_plots
from benchmarks.images import check_reference, images_content, settings_of
from benchmarks.table import images_table
from imil.core.images import ImageSet
from imil.core.records import Sample, Split
from imil.errors import DataError, PlanError
from imil.synthetic.films import FilmSpec, film_set, write_films

NONE = {"points": 0.0, "low": -1.0, "high": 1.0}


def results(*, gain: float, swapped: float | None, seeds: int = 5) -> dict[str, Any]:
    """Return `results.json` of a study in which propagated masks gained that many points."""
    found = {"points": gain, "low": gain - 1, "high": gain + 1}
    when_swapped = (
        {}
        if swapped is None
        else {"swapped_balanced_accuracy": {"points": swapped, "low": swapped - 2, "high": 99.0}}
    )
    figures = {"accuracy": [0.8] * seeds, "balanced_accuracy": [0.7] * seeds}
    arms = ("control", "imil", "propagated")
    pairs = {"imil": NONE, "propagated": found}
    return {
        "data": {"name": "lesions"},
        "plan": {},
        "seeds": list(range(seeds)),
        "seed_scope": "replication",
        "arms": {arm: figures | {"swapped_balanced_accuracy": [0.6] * seeds} for arm in arms},
        "paired": {
            arm: {"against": "control", "accuracy": each, "balanced_accuracy": each}
            for arm, each in pairs.items()
        },
        "recommended": "propagated",
        "seconds": {},
        "notices": [],
        "versions": {},
        "round": {
            "images": 409,
            "majority_rate": 0.81,
            "training_images": 1505,
            "masked": [60] * seeds,
            "arms": [{"arm": arm, "masks": [60 * (arm != "control")] * seeds} for arm in arms],
            "paired": [
                {"arm": arm, "verdict": "no_clear_difference" if arm == "imil" else "helps",
                 "swapped": when_swapped if arm == "propagated" else {}}
                for arm in pairs
            ],
            "swapped_by": "reference",
            "mask_only": {
                "balanced_accuracy": {"value": 0.52, "low": 0.45, "high": 0.59},
                "chance": 0.5,
                "images": 409,
                "at_chance": True,
            },
        },
    }  # fmt: skip


def test_an_arm_that_gains_as_much_as_the_paper_meets_the_target() -> None:
    content = images_content(results(gain=5.0, swapped=12.0))

    assert [target["met"] for target in content["targets"]] == [True, True]
    assert "4.0% masked" in content["targets"][0]["words"]
    assert content["targets"][0]["found"] == "propagated +5.0 [+4.0, +6.0]"


def test_a_missed_target_names_the_nearest_arm_and_what_it_lacks() -> None:
    content = images_content(results(gain=1.2, swapped=4.0))

    assert [target["met"] for target in content["targets"]] == [False, False]
    assert content["targets"][0]["found"] == "propagated +1.2 [+0.2, +2.2], 3.0 points short"


def test_two_seeds_or_nothing_swapped_leave_a_target_open() -> None:
    few = images_content(results(gain=5.0, swapped=12.0, seeds=2))
    plain = images_content(results(gain=5.0, swapped=None))

    assert [target["met"] for target in few["targets"]] == [None, None]
    assert [target["met"] for target in plain["targets"]] == [True, None]


def test_the_table_holds_swapped_figures_and_masks_alone() -> None:
    table = images_table(images_content(results(gain=5.0, swapped=12.0)))

    row = "| propagated | 0.800 | 0.700 | 0.600 | 60 | not measured | +5.0 [+4.0, +6.0] "
    assert row + "| +5.0 [+4.0, +6.0] | +12.0 [+10.0, +99.0] | helps |" in table
    assert "| control | 0.800 | 0.700 | 0.600 | 0 | reference |" in table
    assert "60 of 1505 training images masked" in table
    assert "balanced accuracy 0.520 [0.450, 0.590], n = 409, at chance" in table


def test_gains_are_plotted_and_those_when_swapped_where_they_were_measured() -> None:
    both = image_plots(images_content(results(gain=5.0, swapped=12.0)))
    one = image_plots(images_content(results(gain=5.0, swapped=None)))

    assert sorted(both) == ["gain.svg", "swapped.svg"]
    assert sorted(one) == ["gain.svg"]


def test_images_without_reference_masks_are_refused() -> None:
    samples = [Sample(f"{split}-{i}", i, split) for split in Split for i in (0, 1)]
    images = ImageSet("scans", ("a", "b"), samples, read=lambda _: np.zeros((4, 4), np.uint8))

    with pytest.raises(DataError, match="“scans” has no reference masks") as caught:
        check_reference(images)

    assert "relevant_file_name" in caught.value.fix
    check_reference(film_set(FilmSpec(images=20, size=32)))


@pytest.mark.slow
def test_a_small_study_of_images_is_measured_and_goes_on(tmp_path: Path) -> None:
    data, out = tmp_path / "films", tmp_path / "out"
    for _ in write_films(FilmSpec(images=40, size=48), data):
        pass
    command = [sys.executable, "-m", "benchmarks", "images", "--data", str(data), "--out",
               str(out), "--positive", "finding", "--size", "48", "--epochs", "1",
               "--epochs-after", "1", "--arms", "imil", "--seeds", "0,1"]  # fmt: skip

    done, again = (
        subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"IMIL_HOME": str(tmp_path)},
            timeout=200,
        )
        for _ in range(2)
    )

    assert done.returncode == 0, done.stderr
    assert again.stdout == done.stdout
    assert "| control | 0." in done.stdout
    assert "## Targets" in done.stdout
    content = json.loads((out / "bench.json").read_bytes())
    assert content["study"]["seeds"] == [0, 1]
    assert content["study"]["paired"]["imil"]["verdict"] == "too_early_to_say"
    assert (out / "gain.svg").exists()


def test_several_sets_of_images_have_folders_of_their_own(tmp_path: Path) -> None:
    assert settings_of(["lesions"], tmp_path) == {"lesions": tmp_path}
    assert settings_of(["a=x/one", "b=x/two"], tmp_path) == {
        "x/one": tmp_path / "a",
        "x/two": tmp_path / "b",
    }
    for unnamed in (["x/one", "b=x/two"], ["a=x/one", "a=x/two"], ["../a=x", "b=y"]):
        with pytest.raises(PlanError, match="a name of its own"):
            settings_of(unnamed, tmp_path)
