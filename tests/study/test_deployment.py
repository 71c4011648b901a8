"""Where the model will work: answered before any comparison, kept, and told of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imil.core.records import Deployment
from imil.errors import PlanError
from imil.storage.records.acts import ActKind
from imil.study.study import Study
from tests.standins.trained import as_if_trained
from tests.study.conftest import Machine, finish


def answers(study: Study) -> list[tuple[str, str]]:
    """Return who answered what, as the log tells it."""
    acts = study.audit.check().acts
    told = [act for act in acts if act.what is ActKind.DEPLOYMENT_SET]
    return [(act.who, act.details["deployment"]) for act in told]


def test_an_answer_is_kept_over_a_restart_and_told_of_with_who_gave_it(machine: Machine) -> None:
    study = machine.studies.demo()
    assert study.deployment is Deployment.UNSURE

    study.training.set_deployment(Deployment.ELSEWHERE, who="dr")
    study.training.set_deployment(Deployment.ELSEWHERE, who="dr")  # once more changes nothing
    study.training.set_deployment(Deployment.SAME, who="Ada")
    machine.restart()

    again = machine.studies.open(study.study_id)
    assert again.deployment is Deployment.SAME
    assert answers(again) == [("dr", "elsewhere"), ("Ada", "same")]


def test_an_answer_goes_along_with_the_zip_of_a_study(machine: Machine, tmp_path: Path) -> None:
    study = as_if_trained(machine.studies.demo())
    study.training.set_deployment(Deployment.ELSEWHERE)
    study.export(tmp_path / "study.zip")

    again = machine.studies.import_zip(tmp_path / "study.zip")

    assert again.deployment is Deployment.ELSEWHERE
    assert again.audit.check().broken is None


@pytest.mark.slow
def test_it_is_fixed_once_a_comparison_was_asked_for(trained: tuple[Machine, Study]) -> None:
    machine, study = trained
    study.training.set_deployment(Deployment.SAME)
    study.comparison.start(arms=("mixup",))

    with pytest.raises(PlanError, match=r"fixed once a comparison.*by the results.*new study"):
        study.training.set_deployment(Deployment.ELSEWHERE)
    study.training.set_deployment(Deployment.SAME)
    finish(study.comparison.status)
    machine.restart()

    again = machine.studies.open(study.study_id)
    assert again.training.deployment_fixed
    assert answers(again) == [("", "same")]
    asked = [a for a in again.audit.check().acts if a.what is ActKind.COMPARISON_ASKED]
    assert asked[-1].details["deployment"] == "same"


def test_an_answer_whose_act_was_lost_in_a_kill_is_told_of_as_a_gap(machine: Machine) -> None:
    study = machine.studies.demo()
    study.training.set_deployment(Deployment.SAME)
    path = machine.home / "state" / f"studies/{study.study_id}/study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"deployment": "elsewhere"}))
    machine.restart()

    again = machine.studies.open(study.study_id)

    found = again.audit.check()
    assert found.broken is None
    assert found.acts[-1].what is ActKind.GAP
    assert found.acts[-1].details["deployment"] == "elsewhere"
