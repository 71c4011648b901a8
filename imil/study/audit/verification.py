"""What a study has now, compared with what the acts of its log tell of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from imil.core.records import Deployment, LabelDecision, Triage
from imil.jobs.training.task import TrainingTask
from imil.storage.codec import plan_from_json
from imil.storage.records.acts import Act, ActKind, ChainBreak, ChainFlaw, files_of
from imil.storage.records.studies import StudyRecord

# Names of files in one act; more of them make more acts.
_NAMES_AT_ONCE = 1000
_DECISIONS = {
    ActKind.RELABELLED: LabelDecision.RELABEL,
    ActKind.EXCLUDED: LabelDecision.EXCLUDE,
    ActKind.LABEL_KEPT: LabelDecision.KEEP,
}
# By image: what was decided on its label, and the new label.
_Decisions = dict[str, list[str]]


def decisions_of(triage: Sequence[Triage]) -> _Decisions:
    """Return the decisions on labels that a study has."""
    return {each.sample_id: [each.decision.value, each.label] for each in triage}


def decisions_told(acts: Sequence[Act]) -> _Decisions:
    """Return the decisions on labels that a log tells of."""
    told: _Decisions = {}
    for act in acts:
        if act.what in _DECISIONS:
            label = str(act.details.get("label", ""))
            told[act.sample_id] = [_DECISIONS[act.what].value, label]
        elif act.what is ActKind.GAP and "triage" in act.details:
            told = dict(act.details["triage"])
    return told


def untold(acts: Sequence[Act], record: StudyRecord) -> tuple[dict[str, Any], ...]:
    """Return the details of gaps: what a study's file has and a kill has kept out of its log."""
    gaps: list[dict[str, Any]] = []
    if _lacks_some(decisions_told(acts), record.triage):
        why = "a decision on a label was kept and no act told of it"
        gaps.append({"why": why, "triage": decisions_of(record.triage)})
    opened = sum(act.what is ActKind.TEST_OPENED for act in acts)
    noted = [act.details["openings"] for act in acts if "openings" in act.details]
    if record.test_openings > max(opened, *noted, 0):
        why = "an opening of the test set was counted and no act told of it"
        gaps.append({"why": why, "openings": record.test_openings})
    asked = any(act.what is ActKind.COMPARISON_ASKED for act in acts)
    if record.deployment != _deployment_told(acts) and not asked:  # it is fixed afterwards
        why = "where the model will work was kept and no act told of it"
        gaps.append({"why": why, "deployment": record.deployment})
    return tuple(gaps)


def _deployment_told(acts: Sequence[Act]) -> object:
    """Return where the model will work, by the last act that tells of it."""
    told = (act.details["deployment"] for act in reversed(acts) if "deployment" in act.details)
    return next(told, Deployment.UNSURE)


def _lacks_some(told: _Decisions, triage: Sequence[Triage]) -> bool:
    """Return whether decisions are there which were never told of: others, or the last one."""
    own, last = decisions_of(triage), triage[-1].sample_id if triage else ""
    return told != own and all(own.get(k) == each for k, each in told.items() if k != last)


def named_at_once(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return names in portions, each of which one act can tell of."""
    starts = range(0, len(names), _NAMES_AT_ONCE)
    return [tuple(names[start : start + _NAMES_AT_ONCE]) for start in starts]


def contradiction(acts: Sequence[Act], record: StudyRecord) -> ChainBreak | None:
    """Return where a study's own file says something else than its log; None where it does not.

    Figures rest on the source of the images, the plan, the decisions on labels, where the model
    will work, how often the test set was opened, and whether readers were blind.
    """
    said = {act.what: act for act in acts}  # the last of each kind
    begun, trained = said.get(ActKind.STUDY_BEGUN), said.get(ActKind.TRAINING_FINISHED)
    if begun is not None and not _same_source(begun.details.get("source"), record):
        told = "The study's file names another source of images than act {} tells of."
        return _changed(begun, told)
    planned = trained or begun
    if planned is not None and not _same_plan(planned.details.get("plan"), record):
        return _changed(planned, "The study's file has another plan than act {} tells of.")
    opened = [act for act in acts if act.what is ActKind.TEST_OPENED or "openings" in act.details]
    openings = [act.details["openings"] for act in opened if "openings" in act.details]
    if record.test_openings < max(len(opened) - len(openings), *openings, 0):
        told = "The study's file counts fewer openings of the test set than there were by act {}."
        return _changed(opened[-1], told)
    unblinded = said.get(ActKind.UNBLINDED)
    if unblinded is not None and not record.unblinded:
        return _changed(unblinded, "By the study's file readers are blind; act {} tells otherwise.")
    missed = any("not_written" in act.details for act in acts if act.what is ActKind.GAP)
    return None if missed else _decided_otherwise(acts, record)


def _decided_otherwise(acts: Sequence[Act], record: StudyRecord) -> ChainBreak | None:
    """Return where a study's own file has other decisions of people than its log."""
    asked = [act for act in acts if act.what is ActKind.COMPARISON_ASKED]
    if asked and record.deployment != _deployment_told(acts):
        told = "The study's file has another answer where the model will work than act {} tells of."
        return _changed(asked[-1], told)
    last = [act for act in acts if act.what in _DECISIONS]
    own = decisions_of(record.triage)
    if any(own.get(k) != each for k, each in decisions_told(acts).items()):
        told = "The study's file has other decisions on labels than the log tells of up to act {}."
        return _changed(last[-1] if last else acts[-1], told)
    return None


def uncovered(acts: Sequence[Act]) -> tuple[str, ...]:
    """Return what a log does not vouch for by its own words, a sentence each."""
    told = []
    for act in acts:
        files = len(files_of(act))
        if files and "why" in act.details:
            named = "1 file" if files == 1 else f"{files} files"
            named = "the list of images" if _lists(act) and files == 1 else named
            told.append(
                f"Act {act.seq} vouches for {named} from then on; no act tells of what was before."
            )
        elif act.what is ActKind.GAP:
            count = act.details.get("acts", len(act.details.get("not_written", ())))
            told.append(
                f"Act {act.seq} tells that {count or 'some'} acts before it were not written."
            )
    return tuple(told)


def answers_of(task: TrainingTask, folder: Path, model: str) -> dict[str, Any]:
    """Return what an act tells of a finished segment's answers, which figures are made from.

    Args:
        task: the segment.
        folder: the study's working folder.
        model: the first digits of its checkpoint's SHA-256.
    """
    files = [path for path in (task.logits, task.readings) if path is not None and path.exists()]
    return {
        "segment": task.folder.relative_to(folder).as_posix(),
        "answers": {path.name: _sha(path) for path in files},
        "model": model,
    }


def other_answers(
    acts: Sequence[Act], folder: Path, first: TrainingTask, version: Callable[[Path], str]
) -> tuple[ChainBreak | None, tuple[str, ...]]:
    """Return the first trained segment of which only the answers are others than an act tells.

    Args:
        acts: the log.
        folder: the study's working folder; segments that are not there are not looked at.
        first: the first training.
        version: from a checkpoint to the first digits of its SHA-256.

    Returns:
        The break, or None; and a sentence for each segment that is another one as a whole: made
        again, as it is where it was lost, or changed.
    """
    told: dict[Path, tuple[Act, Mapping[str, Any]]] = {}
    for act in acts:
        if act.what is ActKind.TRAINING_FINISHED and "scores" in act.details:
            answers = {first.logits.name: act.details["scores"]}
            told[first.folder] = act, {"answers": answers, "model": act.model}
        for each in (
            act.details.get("trained", ()) if act.what is ActKind.COMPARISON_FINISHED else ()
        ):
            names = (each["segment"], *each["answers"])
            places = [PurePosixPath(str(name)) for name in names]
            if all(not place.is_absolute() and ".." not in place.parts for place in places):
                told[folder / places[0]] = act, each
    remade = []
    for segment, (act, each) in told.items():
        if not any(_is_other(segment / name, sha) for name, sha in each["answers"].items()):
            continue
        if version(segment / first.checkpoint.name) == each["model"]:
            told_of = f"The answers of the segment “{segment.name}” are not those that act"
            return _changed(act, told_of + " {} tells of."), ()
        remade.append(
            f"The segment “{segment.name}” is not the one that act {act.seq} tells of: it was "
            "trained again, or changed."
        )
    return None, tuple(remade)


def _is_other(path: Path, sha: str) -> bool:
    """Return whether a file is there, and another one than the act tells of."""
    return path.exists() and _sha(path) != sha


def _lists(act: Act) -> bool:
    return any(name.endswith("/listing.json") for name in files_of(act))


def _changed(act: Act, told: str) -> ChainBreak:
    return ChainBreak(act.seq, ChainFlaw.CHANGED, told.format(act.seq))


def _same_source(told: object, record: StudyRecord) -> bool:
    # Whoever takes a study in may leave out what this version does not know.
    own = _as_json(record.source)
    return isinstance(told, Mapping) and own == {k: v for k, v in told.items() if k in own}


def _same_plan(told: object, record: StudyRecord) -> bool:
    if told is None:  # of an older version, or before any training
        return True
    try:
        return isinstance(told, Mapping) and plan_from_json(told) == record.plan
    except (TypeError, ValueError):
        return False


def _as_json(value: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(dict(value)))


def _sha(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
