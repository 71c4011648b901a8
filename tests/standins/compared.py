"""A small study with everything that a study can have: patients, masks, decisions, two rounds."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from imil.storage.base import Store
from imil.study.study import Study
from tests.standins.trained import corner
from tests.standins.untraining import TrainingAtOnce, opened
from tests.standins.uploads import picture

# Names that a spreadsheet program would take for formulas.
FORMULA, READERS = "=1+1", ("=HYPERLINK(1)", "+Ada", "@Bo")
PATIENCE = 120.0


def patients_zip(path: Path, *, each: int = 24) -> Path:
    """Write images of two classes with a table that tells of patients, two images each."""
    rng = np.random.default_rng(0)
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(("file_name", "label", "patient_id"))
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2 * each):
            bright = number % 2 == 0
            archive.writestr(f"{number:03}.png", picture(rng, bright=bright, side=24))
            # Some labels are wrong, so that there is something to review.
            told = bright if number % 7 else not bright
            rows.writerow((f"{number:03}.png", FORMULA if told else "clear", f"p{number // 4}"))
        archive.writestr("metadata.csv", table.getvalue())
    return path


def compared_study(home: Path, store: Store) -> Study:
    """Begin a study, train it, review it by three readers, compare it, and open its test set."""
    studies = opened(home, store, trainer=TrainingAtOnce())
    study = studies.from_archive(patients_zip(home / "brought.zip"), name=FORMULA)
    plan = replace(study.plan, size=32, epochs=2, epochs_after=1, budget=0.3, threads=1)
    study.training.set_plan(plan)
    study.training.start()
    end = time.monotonic() + PATIENCE
    while not study.training.task.finished:
        assert study.training.status().error is None
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    images = [offer.sample_id for offer in study.queues.answers()]
    for reader in READERS:
        for sample_id in images[:2]:
            study.review.submit(sample_id, corner(study, sample_id), reader=reader, seconds=3)
    study.review.skip(images[3], reader=READERS[0])
    study.labels.exclude(images[4], reader=READERS[1])
    study.labels.keep(images[5], reader=READERS[2])
    study.readers.unblind()
    study.comparison.start(arms=["control", "imil"], seeds=2)
    assert study.results.current() is not None
    study.comparison.open_test_set()
    study.flush()
    return study
