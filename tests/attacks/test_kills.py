"""An app that is killed at any moment: what was acknowledged is there, and its log tells of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imil.storage.codec import decode_masks
from imil.storage.local import LocalStore
from imil.storage.records.acts import ActKind, files_of
from tests.standins.documents import ROOT
from tests.standins.trained import as_if_trained
from tests.standins.untraining import opened

# A machine that is busy with other things takes its time, s.
PATIENCE = 600.0


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(20, id="twenty", marks=pytest.mark.slow),
        pytest.param(200, id="long", marks=pytest.mark.soak),
    ],
)
def test_every_acknowledged_mask_survives_kills(
    kills: int, tmp_path: Path, record: Callable[[dict[str, Any]], None]
) -> None:
    store = LocalStore(tmp_path / "state")
    study_id = as_if_trained(opened(tmp_path, store).demo()).study_id
    ended = subprocess.run(
        [sys.executable, "-m", "tests.standins.killed_reader", tmp_path, study_id, str(kills)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        check=True,
        timeout=PATIENCE,
        text=True,
    )
    lines = [line.split() for line in ended.stdout.splitlines()]
    acknowledged = {int(line[0]): (line[1], int(line[2])) for line in lines if len(line) == 3}

    found = opened(tmp_path, store).open(study_id).audit.check()

    kept = {
        name: decode_masks(store.read(name) or b"")[0]
        for name in store.of_study(study_id)
        if name.startswith("data/masks/")
    }
    times = Counter(mask.seconds for mask in kept.values())
    accepted = Counter(a.details["mask"] for a in found.acts if a.what is ActKind.MASK_ACCEPTED)
    gaps = [name for act in found.acts if act.what is ActKind.GAP for name in files_of(act)]
    told = {"acknowledged": len(acknowledged), "kept": len(kept), "in_gaps": len(gaps)}
    record({"kills": kills, **told, "lost": len(set(acknowledged) - {int(n) for n in times})})
    assert lines.count(["killed"]) == kills
    assert len(acknowledged) > kills
    for number, (name, pixels) in acknowledged.items():
        assert int(kept[name].irrelevant.sum()) == pixels
        assert times[float(number)] == 1
        assert accepted[name] == 1
    assert found.broken is None
    # A mask that nobody was told of may be there, at most one a kill: the log tells of it too.
    assert set(kept) == set(accepted) | set(gaps)
    assert len(gaps) <= kills
