"""The comparisons in a `study.zip`: whether they can be shown beside its images."""

from __future__ import annotations

from imil.core.arms.variants import CONTROL
from imil.core.bounds import MOST_SEEDS
from imil.core.evaluation.metrics import Metric
from imil.core.evaluation.rounds import ArmFigures, ExternalFigures, Round
from imil.core.images import ImageSet
from imil.core.records import Split
from imil.core.review.readers import reader_name
from imil.datasets.external import set_name
from imil.storage.base import Store
from imil.storage.codec import damaged
from imil.storage.records.cases import load_cases
from imil.storage.records.studies import (
    StudyRecord,
    load_round,
)
from imil.study.library.zips.checks.refusals import STUDY_ZIP, damage_told, require


def check_rounds(state: Store, record: StudyRecord, images: ImageSet) -> None:
    """Raise a StoreError if a saved comparison, or the answers beside it, can't be shown."""
    folder = f"studies/{record.study_id}/rounds/"
    names = state.names(folder)
    for name in names:
        if not name.endswith(".json"):
            continue
        key = name.removeprefix(folder).removesuffix(".json")
        found = load_round(state, record.study_id, key=key)
        if found is None:
            raise damaged(STUDY_ZIP)
        with damage_told():
            _check_round(found, images)
            _check_cases(state, record, images, found, key)
    rounds = {name for name in names if name.endswith(".json")}
    if any(n.replace("-images.parquet", ".json") not in rounds for n in names):
        raise damaged(STUDY_ZIP)


def _check_cases(
    state: Store, record: StudyRecord, images: ImageSet, found: Round, key: str
) -> None:
    """Check that the answers beside a round are of its images, arms and seeds."""
    cases = load_cases(state, record.study_id, key=key, classes=images.classes)
    if cases is None:
        return
    samples = [sample for sample in images.samples if sample.split is found.split]
    require(cases.sample_ids == tuple(sample.sample_id for sample in samples))
    require(cases.labels.tolist() == [sample.label for sample in samples])
    require(cases.seeds == found.seeds)
    require({arm.arm for arm in found.arms} == set(cases.predicted))
    require(all(bool(((p >= 0) & (p <= 1)).all()) for p in cases.confidence.values()))


def _check_round(found: Round, images: ImageSet) -> None:
    """Check that all of a round's figures are of the same arms, seeds, classes and images."""
    names, seeds = [arm.arm for arm in found.arms], len(found.seeds)
    require(found.split is not Split.TRAIN and 1 <= seeds <= MOST_SEEDS)
    require(found.images == len(images.rows(found.split)))
    require(found.training_images == len(images.rows(Split.TRAIN)))
    require(bool(names) and names[0] == CONTROL and len(set(names)) == len(names))
    require(len(found.masked) == seeds)
    require(all(arm.groups.keys() == found.arms[0].groups.keys() for arm in found.arms))
    require(all(reader_name(who) == who for who in found.readers))
    for arm in found.arms:
        _check_arm(arm, seeds, len(images.classes))
    require(all(name in names for name in found.variants))
    headline = {Metric.ACCURACY, Metric.BALANCED_ACCURACY}
    require({each.arm for each in found.paired} == set(names[1:]))
    require(len(found.paired) == len(names) - 1)
    for paired in found.paired:
        require(headline <= set(paired.differences))
        require(len(paired.mcnemar) in {0, seeds})
    require(not found.external or found.split is Split.TEST)
    require(len({each.name for each in found.external}) == len(found.external))
    for external in found.external:
        _check_external(external, found, len(images.classes))
    if found.advice is not None:
        candidates = [each.name for each in found.advice.candidates]
        require({found.advice.chosen.name, *found.advice.chosen.tied} <= set(candidates))
        require({*candidates, *found.advice.chosen.not_eligible} <= set(names))
        for candidate in found.advice.candidates:
            each = (candidate.accuracy, candidate.independent, candidate.swapped_balanced_accuracy)
            require(all(len(values) == seeds for values in each))


def _check_external(external: ExternalFigures, found: Round, classes: int) -> None:
    """Check that an external set's figures are of the same arms, seeds and classes."""
    names, seeds = [arm.arm for arm in found.arms], len(found.seeds)
    headline = {Metric.ACCURACY, Metric.BALANCED_ACCURACY}
    require(set_name(external.name) == external.name and external.images > 0)
    require([arm.arm for arm in external.arms] == names)
    for arm in external.arms:
        _check_arm(arm, seeds, classes)
    require([each.arm for each in external.paired] == names[1:])
    require(all(headline <= set(each.differences) for each in external.paired))
    require(set(external.auroc) <= set(names))
    require([each.arm for each in external.at_threshold] in ([], names))
    for tuned in external.at_threshold:
        require(headline <= set(tuned.figures) and len(tuned.thresholds) == seeds)
    if external.check is not None:
        shares = (external.check.external.shares, external.check.training.shares)
        require(all(len(share) == classes for share in shares))
        require(len(external.check.classes) == classes)


def _check_arm(arm: ArmFigures, seeds: int, classes: int) -> None:
    require(set(arm.values) == set(arm.figures) == set(Metric))
    require(all(len(each) == seeds for each in arm.values.values()))
    require(all(len(each) == seeds for each in arm.swapped_values.values()))
    require(set(arm.swapped) == set(arm.swapped_values))
    require(len(arm.confusion) == classes and len(arm.masks) in {0, seeds})
    require(all(len(row) == classes and min(row) >= 0 for row in arm.confusion))
    require(len(arm.classes) in {0, classes})
    for found in arm.explanations:
        require(all(len(each) == seeds for each in found.values.values()))
