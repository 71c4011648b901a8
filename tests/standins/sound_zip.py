"""A small study with everything in it, as one `study.zip`, and zips that differ from it."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from pyarrow import parquet

from imil.core.evaluation.probe import answer_probe
from imil.core.images import open_cache
from imil.core.records import EpochFigures
from imil.core.training.fit import initial_state, next_round, predict, restore
from imil.jobs.base import JobState
from imil.jobs.training.inputs import read_probe, write_array
from imil.jobs.training.task import TrainingTask, _write_readings
from imil.storage.base import Store
from imil.storage.codec import encode_checkpoint
from imil.study.batch.progress import IdleTrainer
from imil.study.library.studies import Studies
from imil.study.library.zips.study_zip import MANIFEST_FILE
from imil.study.services import Services
from imil.study.study import Study
from imil.synthetic.films import CLASSES
from tests.standins.memory_store import MemoryStore
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights

Files = dict[str, bytes]
EPOCH = EpochFigures(1, 0.7, 0.5, 0.7, 0.5)


class _Ended(IdleTrainer):
    """A trainer whose every job has ended."""

    def follow(self, job_id: str, follower: Callable[[], None]) -> None:  # noqa: ARG002
        follower()


def studies_in(home: Path, store: Store | None = None) -> Studies:
    """Return the studies of a home that trains nothing."""
    tools = Services(MemoryStore() if store is None else store, _Ended(), no_weights)
    return Studies(home / "work", tools)


def sound_study(home: Path) -> Study:
    """Return a study of brought films: reviewed by two readers, compared, its test set opened."""
    study = studies_in(home).from_archive(_few_films(home), name="films")
    study.training.set_plan(replace(study.plan, size=32, epochs=1, epochs_after=1, budget=0.5))
    study.training.start()
    if (preparer := study.training._preparer) is not None:
        preparer.join()
    as_if_trained(study)
    ids = [offer.sample_id for offer in study.queues.answers()]
    for sample_id, reader in zip(ids[:4], ("dr", "ada", "dr", "ada"), strict=True):
        study.review.submit(sample_id, corner(study, sample_id), reader=reader, seconds=3)
    study.review.skip(ids[4], reader="dr")
    label = study.images.sample(ids[5]).label
    study.labels.relabel(ids[5], study.images.classes[1 - label], reader="ada")
    study.comparison.start(arms=["imil"])
    for seed, task in enumerate(study.comparison.tasks()):
        _as_if_trained_on(study, task, seed)
    study.comparison.start(arms=["imil"])  # its trainings have ended: figures are made
    assert study.results.shown() is not None
    study.comparison.open_test_set()
    study.flush()
    return study


def files_of(path: Path) -> Files:
    """Return the files in a zip."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files as a zip."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def redigested(files: Files) -> Files:
    """Return the files of a study.zip that says of itself that each is as it was exported."""
    about = json.loads(files[MANIFEST_FILE])
    about["files"] = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name != MANIFEST_FILE
    }
    return files | {MANIFEST_FILE: json.dumps(about).encode()}


def as_of(files: Files, study_id: str) -> Files:
    """Return the files of a study.zip as if the study had another id, wherever it is written."""
    own = json.loads(files[MANIFEST_FILE])["study"]
    renamed = {name.replace(own, study_id): content for name, content in files.items()}
    for name, content in renamed.items():
        if name.endswith(".json"):
            renamed[name] = content.replace(own.encode(), study_id.encode())
        elif name.startswith("state/data/"):
            table = parquet.read_table(pa.BufferReader(content))
            named, sink = pa.array([study_id] * len(table)), pa.BufferOutputStream()
            at = table.schema.get_field_index("study")
            parquet.write_table(table.set_column(at, "study", named), sink)
            renamed[name] = sink.getvalue().to_pybytes()
    return redigested(renamed)


def page_reads(study: Study) -> None:
    """Read what the page of a study reads; one that lost images or its model says so."""
    trained = study.training.status().state is JobState.DONE
    study.comparison.status()
    study.readers.names()
    study.readers.reading()
    study.review.budget()
    for sample in study.images.samples:
        study.review.state(sample.sample_id)
        study.review.irrelevant(sample.sample_id)
        study.labels.decision(sample.sample_id)
    for sample in study.images.samples[:3]:
        study.pictures.thumbnail(sample.sample_id)
        if not study.pictures.missing:
            study.pictures.original(sample.sample_id)
    if trained:
        study.queues.offers()
        study.queues.counts()
        study.queues.confusion()
        study.model.answer(study.images.samples[0].sample_id, None)
    study.results.shown()
    study.results.cases()
    study.results.json()
    study.results.csv()
    study.results.cases_parquet()
    study.review.records()
    study.results.curves()
    study.results.rounds()
    study.comparison.seeds_done()


Change = Callable[[Files], Files]


def _few_films(home: Path) -> Path:
    """Return a zip of an image folder: of each class five training films, two in other splits."""
    for split, few in (("train", 5), ("validation", 2), ("test", 2)):
        for label in CLASSES:
            (home / "films" / split / label).mkdir(parents=True)
            for number in range(few):
                pixels = np.random.default_rng([few, number, len(label)]).integers(0, 255, (32, 32))
                picture = Image.fromarray(pixels.astype(np.uint8))
                picture.save(home / "films" / split / label / f"{split} {number}.png")
    return Path(shutil.make_archive(str(home / "films"), "zip", home / "films"))


def _as_if_trained_on(study: Study, task: TrainingTask, seed: int) -> None:
    """Leave what an arm's training leaves: other random weights answer too."""
    images = study.images
    made = initial_state(
        replace(task.plan, seed=seed + 5), classes=len(images.classes), channels=images.channels
    )
    state = next_round(made)
    task.folder.mkdir(parents=True, exist_ok=True)
    task.checkpoint.write_bytes(encode_checkpoint(task.plan, state, (EPOCH,)))
    module, cache = restore(task.plan, state), open_cache(task.images)
    if task.probe is not None and task.readings is not None:
        torch.set_num_threads(1)
        _write_readings(task.readings, answer_probe(module, cache, read_probe(task.probe)))
    write_array(task.logits, predict(module, cache).numpy())
