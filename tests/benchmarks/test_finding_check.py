from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from benchmarks.finding_check import check_table, measure_check, write_check
from imil.study.library.demo_training import DEMO_PLAN


def test_every_film_with_something_to_mask_is_counted_and_none_without_a_finding_warned_of(
    tmp_path: Path,
) -> None:
    plan = replace(DEMO_PLAN, epochs=1)

    content = measure_check(seeds=(0,), shortcuts=(0.5,), images=40, plan=plan)

    warned = content["settings"][0]["warned"]
    # Of 20 test films half have a finding, and half of each class a marker.
    assert (warned["finding"]["n"], warned["marker"]["n"]) == (10, 10)
    assert warned["marker, on films of no finding"]["warned"] == 0
    assert warned["marker, on films of no finding"]["later"] == 0
    assert all(0 <= told[share] <= 1 for told in warned.values() for share in ("warned", "later"))
    write_check(content, tmp_path)
    assert json.loads((tmp_path / "finding_check.json").read_bytes()) == content
    assert check_table(content).count("\n") == 2 + len(warned)
