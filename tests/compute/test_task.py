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
    epoch_seconds,
    read_triage,
    run_task,
    task_from_json,
    task_to_json,
    write_masked,
    write_triage,
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


def test_the_first_training_keeps_its_dynamics_and_a_stop_changes_none_of_them(
    make_task: MakeTask,
) -> None:
    whole, parted = make_task("whole"), make_task("parted")
    epochs(whole)
    epochs(parted, stop_after=1)
    assert parted.dynamics(1).exists()
    assert not parted.dynamics(2).exists()
    epochs(parted)

    for epoch in (1, 2, 3):
        kept = np.load(whole.dynamics(epoch))
        assert kept.shape == (32, 2)
        assert not np.isnan(kept).any()
        assert np.array_equal(kept, np.load(parted.dynamics(epoch)))
    assert set(epoch_seconds(parted)) == {1, 2, 3}


def test_dynamics_are_there_before_the_checkpoint_that_counts_their_epoch(
    make_task: MakeTask,
) -> None:
    task = make_task()
    epochs(task, stop_after=1)
    task.dynamics(2).mkdir(parents=True)  # in the way: as a disk that refuses

    with pytest.raises(ComputeError, match=r"scores of an epoch could not be saved.*Free some"):
        epochs(task)

    assert decode_checkpoint(task.checkpoint.read_bytes())[1].epoch == 1


def test_other_segments_keep_no_dynamics(make_task: MakeTask) -> None:
    first = make_task()
    epochs(first)
    arm = replace(first, folder=first.folder.parent / "arm", start=first.checkpoint)
    rows = first.folder.parent / "rows.npy"
    np.save(rows, np.arange(0, 32, 2))
    fold = replace(first, folder=first.folder.parent / "fold", subset=rows)

    epochs(arm), epochs(fold)

    assert not arm.dynamics(1).exists()
    assert not fold.dynamics(1).exists()
    assert epoch_seconds(fold) == {}


def test_decisions_on_labels_reach_the_training(make_task: MakeTask) -> None:
    first = make_task()
    epochs(first)
    triage = first.folder.parent / "triage.npy"
    write_triage(triage, {0: 1, 3: None, 4: None})
    control = replace(first, folder=first.folder.parent / "c", start=first.checkpoint)
    dropped = replace(control, folder=first.folder.parent / "d", arm="drop", triage=triage)

    epochs(control), epochs(dropped)

    assert read_triage(triage) == {0: 1, 3: None, 4: None}
    assert task_from_json(task_to_json(dropped)) == dropped
    assert not np.array_equal(np.load(control.logits), np.load(dropped.logits))


def test_a_subset_alone_is_trained_on(make_task: MakeTask) -> None:
    first = make_task()
    rows = first.folder.parent / "rows.npy"
    np.save(rows, np.arange(16))
    fold = replace(first, folder=first.folder.parent / "fold", subset=rows)

    epochs(first), epochs(fold)

    assert np.load(fold.logits).shape == (48, 2)
    assert not np.array_equal(np.load(fold.logits), np.load(first.logits))
    assert task_from_json(task_to_json(fold)) == fold


def test_a_task_saved_before_there_were_subsets_can_be_read(make_task: MakeTask) -> None:
    saved = task_to_json(make_task())
    del saved["subset"]

    assert task_from_json(saved) == make_task()


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
