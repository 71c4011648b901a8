from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imil.compute.task import (
    MaskedImages,
    TrainingTask,
    run_task,
    task_from_json,
    task_to_json,
    write_masked,
)
from imil.core.records import Arm, EpochFigures
from imil.errors import ComputeError
from imil.store.codec import decode_checkpoint

MakeTask = Callable[..., TrainingTask]


def epochs(task: TrainingTask, *, stop_after: int | None = None) -> list[int]:
    """Run the task, stopping once `stop_after` epochs were reported; return the epochs."""
    seen: list[int] = []
    stop = lambda: stop_after is not None and len(seen) >= stop_after  # noqa: E731  # one line
    for report in run_task(task, should_stop=stop):
        seen += [report.epoch] if isinstance(report, EpochFigures) else []
    return seen


def test_a_segment_leaves_a_checkpoint_and_the_scores_of_every_image(make_task: MakeTask) -> None:
    task = make_task()

    assert epochs(task) == [1, 2, 3]

    assert task.finished
    assert np.load(task.logits).shape == (48, 2)


def test_a_stopped_segment_goes_on_and_ends_bit_identical(make_task: MakeTask) -> None:
    whole, parted = make_task("whole"), make_task("parted")
    epochs(whole)

    assert epochs(parted, stop_after=1) == [1]
    assert not parted.finished
    assert epochs(parted) == [1, 2, 3]

    assert np.array_equal(np.load(whole.logits), np.load(parted.logits))
    assert whole.checkpoint.read_bytes() == parted.checkpoint.read_bytes()


def test_a_finished_segment_is_not_trained_again(make_task: MakeTask) -> None:
    task = make_task()
    epochs(task)
    before = task.checkpoint.stat().st_mtime_ns

    assert epochs(task) == [1, 2, 3]
    assert task.checkpoint.stat().st_mtime_ns == before


def test_an_arm_goes_on_from_the_first_checkpoint_for_its_own_epochs(make_task: MakeTask) -> None:
    first = make_task()
    epochs(first)
    arm = replace(first, folder=first.folder.parent / "arm", start=first.checkpoint)

    assert epochs(arm) == [1, 2]
    assert decode_checkpoint(arm.checkpoint.read_bytes())[1].round == 1


def test_edited_copies_change_what_is_learned(make_task: MakeTask) -> None:
    first = make_task()
    epochs(first)
    control = replace(first, folder=first.folder.parent / "c", start=first.checkpoint)
    edits = first.folder.parent / "edits"
    black, region = np.zeros((1, 32, 32), np.uint8), np.ones((32, 32), np.bool_)
    write_masked(
        edits, MaskedImages(dict.fromkeys(range(8), black), dict.fromkeys(range(8), region))
    )
    masked = replace(control, folder=first.folder.parent / "m", arm=Arm.IMIL, edits=edits)

    epochs(control), epochs(masked)

    assert not np.array_equal(np.load(control.logits), np.load(masked.logits))


def test_a_checkpoint_of_other_settings_is_refused(make_task: MakeTask) -> None:
    task = make_task()
    epochs(task, stop_after=1)

    with pytest.raises(ComputeError, match=r"belongs to other settings.*former settings"):
        epochs(replace(task, plan=replace(task.plan, learning_rate=1e-3)))


def test_a_disk_that_refuses_the_checkpoint_keeps_the_last_one(make_task: MakeTask) -> None:
    task = make_task()
    epochs(task, stop_after=1)
    kept = task.checkpoint.read_bytes()
    task.folder.rename(task.folder.with_name("moved"))
    task.folder.write_bytes(b"in the way")
    moved = replace(task, folder=task.folder.with_name("moved"))
    assert moved.checkpoint.read_bytes() == kept

    with pytest.raises(ComputeError, match=r"could not be saved.*Free some space"):
        epochs(task)


def test_a_task_survives_the_way_to_another_process(make_task: MakeTask) -> None:
    task = replace(make_task(), edits=Path(os.devnull))

    assert task_from_json(task_to_json(task)) == task
