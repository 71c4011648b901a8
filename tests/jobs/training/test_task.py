from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from imil.core.arms.variants import IMIL, parse_variant
from imil.core.records import EpochFigures
from imil.core.training.fit import restore
from imil.errors import ComputeError, StoreError
from imil.jobs.training.inputs import MaskedImages, read_triage, write_masked, write_triage
from imil.jobs.training.task import (
    TrainingTask,
    epoch_seconds,
    run_task,
    task_from_json,
    task_to_json,
)
from imil.storage.codec import decode_checkpoint, encode_checkpoint

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
    dropped = replace(
        control, folder=first.folder.parent / "d", arm=parse_variant("drop"), triage=triage
    )

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
    masked = replace(control, folder=first.folder.parent / "m", arm=IMIL, edits=edits)

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


def test_a_full_disk_ends_the_epoch_in_words_and_keeps_the_last_checkpoint(
    make_task: MakeTask,
) -> None:
    task = make_task()
    epochs(task, stop_after=1)
    kept = task.checkpoint.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Files end after so many bytes, as on a disk that fills up: a checkpoint has far more.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(ComputeError, match=r"checkpoint could not be saved.*Free some space"):
            epochs(task)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert task.checkpoint.read_bytes() == kept
    assert {path.name for path in task.folder.iterdir()} == {
        "checkpoint.safetensors",
        "dynamics",
        "machines.json",
        "seconds.json",
    }
    assert epochs(task) == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"half a", r"A checkpoint is damaged.*cut short.*delete it"),
        (save({"head": torch.zeros(1)}), r"no checkpoint of IMIL's.*Restore that file"),
    ],
)
def test_a_checkpoint_that_is_none_is_named_and_left_as_it_is(
    make_task: MakeTask, content: bytes, words: str
) -> None:
    task = make_task()
    task.folder.mkdir()
    task.checkpoint.write_bytes(content)

    with pytest.raises(StoreError, match=rf"“first” can't go on.*{words}.*Nothing was changed"):
        epochs(task)

    assert task.checkpoint.read_bytes() == content


def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(make_task: MakeTask) -> None:
    task = make_task()
    epochs(task, stop_after=1)
    plan, state, figures = decode_checkpoint(task.checkpoint.read_bytes())
    head = {"model.head.bias": torch.full((2,), torch.inf)}
    task.checkpoint.write_bytes(
        encode_checkpoint(plan, replace(state, tensors={**state.tensors, **head}), figures)
    )
    kept = task.checkpoint.read_bytes()

    with pytest.raises(ComputeError, match=r"not a number any more in epoch 2.*last finished"):
        epochs(task)

    assert task.checkpoint.read_bytes() == kept


def test_a_plan_for_a_gpu_says_what_is_missing_where_there_is_none(make_task: MakeTask) -> None:
    task = make_task()

    with pytest.raises(ComputeError, match=r"There is no GPU here.*no CUDA device.*--device cpu"):
        epochs(replace(task, plan=replace(task.plan, device="cuda")))


def little_memory(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let torch have room for batches of `most` images."""
    whole = torch.nn.functional.cross_entropy

    def stingy(logits: torch.Tensor, *rest: Any, **more: Any) -> torch.Tensor:
        if logits.requires_grad and len(logits) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(logits, *rest, **more)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", stingy)


def test_a_batch_that_does_not_fit_is_told_with_numbers_and_the_way_out(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    little_memory(monkeypatch, 3)

    with pytest.raises(ComputeError, match=r"Memory ran out.*8 images of 32 px.*GB.*smaller batch"):
        epochs(make_task())


def test_a_task_survives_the_way_to_another_process(make_task: MakeTask) -> None:
    task = replace(make_task(), edits=Path(os.devnull))

    assert task_from_json(task_to_json(task)) == task


def test_a_task_that_an_older_version_queued_is_read(make_task: MakeTask) -> None:
    task = make_task()
    saved = task_to_json(task)
    plan = {**saved["plan"], "fast": False}

    assert task_from_json({**saved, "plan": plan, "features": None}) == task


@pytest.mark.parametrize("arm", ["focus", "focus_blend+disc"])
def test_a_model_that_hides_regions_learns_them_once_and_keeps_them(
    make_task: MakeTask, tmp_path: Path, arm: str
) -> None:
    first = make_task("first")
    epochs(first)
    working, hidden = np.load(first.images), np.ones((32, 32), np.bool_)
    hidden[8:24, 8:24] = False
    masks = dict.fromkeys(range(6), hidden)
    write_masked(tmp_path / "masks", MaskedImages({row: working[row] for row in masks}, masks))
    given: dict[str, Any] = {
        "arm": parse_variant(arm),
        "start": first.checkpoint,
        "edits": tmp_path / "masks",
    }
    whole, parted = replace(make_task("a"), **given), replace(make_task("b"), **given)
    epochs(whole)
    epochs(parted, stop_after=1)
    # What it hides lies in the checkpoint now.
    (tmp_path / "masks" / "masks.npy").write_bytes(
        (tmp_path / "masks" / "masks.npy").read_bytes()[:-9] + bytes(9)
    )
    epochs(parted)

    plan, state, _ = decode_checkpoint(whole.checkpoint.read_bytes())
    module = restore(plan, state).eval()

    assert whole.checkpoint.read_bytes() == parted.checkpoint.read_bytes()
    assert module.focus is not None
    shown = torch.from_numpy(working).float() / 255
    assert module.focus.hidden(shown)[:, 0, 0].all()
    assert not module.focus.hidden(shown)[:, 16, 16].any()
    assert np.load(whole.logits).shape == (48, 2)
    assert not np.load(whole.left_raw).any()
