from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray

from imil.app.painter.object_select import ObjectSelect
from imil.app.painter.painter import decode_run_lengths
from imil.app.server.rates import Cost, cost_of
from imil.core.records import Region
from imil.errors import PlanError, WeightsError
from imil.models.objects import ObjectModel
from imil.study.library.studies import Studies
from imil.study.study import Study


class Corner(ObjectModel):
    """Finds the same corner in each image; has none until `there`."""

    there = True
    asked: list[tuple[NDArray[np.uint8], Sequence[float]]]

    def find(self, image: NDArray[np.uint8], spot: Sequence[float]) -> Region | None:
        if not self.there:
            raise WeightsError("There is none.", why="It is a test.", fix="Go on.")
        self.asked = [(image, spot)]
        found = np.zeros(image.shape[:2], np.bool_)
        found[:8, :9] = True
        return found


@pytest.fixture
def study(studies: Studies) -> Study:
    return studies.demo()


@pytest.fixture
def acts(studies: Studies, tmp_path: Path) -> ObjectSelect:
    return ObjectSelect(studies, gr.HTML(), Corner("a/b", tmp_path))


def asked(study: Study, **changed: Any) -> gr.EventData:
    usual = {"id": "1", "study": study.study_id, "sample": study.images.samples[0].sample_id}
    wanted = usual | {"spot": [3, 4.5], "window": [10.5, 90]} | changed
    return gr.EventData(None, {"asked": wanted})


def test_the_model_sees_the_film_through_the_window_and_its_object_is_sent(
    acts: ObjectSelect, study: Study
) -> None:
    found = acts.find(asked(study))[acts.painter]["found"]

    height, width = study.images.original(study.images.samples[0].sample_id).shape
    region = decode_run_lengths(found["runs"], width=width, height=height)
    assert (found["id"], found["why"], region.sum()) == ("1", "", 72)
    assert isinstance(acts.model, Corner)
    [(image, spot)] = acts.model.asked
    assert spot == (3, 4.5)
    assert (image.min(), image.max()) == (0, 255)
    assert cost_of(ObjectSelect.find) is Cost.ASK


def test_a_model_that_cannot_answer_says_why(acts: ObjectSelect, study: Study) -> None:
    assert isinstance(acts.model, Corner)
    acts.model.there = False

    found = acts.find(asked(study))[acts.painter]["found"]

    assert found == {"id": "1", "runs": None, "why": "There is none. It is a test. Go on."}


@pytest.mark.parametrize("spot", [None, [1], [1, 2, 3], [1, float("nan")], ["1", 2], [-1, 2]])
def test_what_is_no_spot_is_refused(acts: ObjectSelect, study: Study, spot: Any) -> None:
    found = acts.find(asked(study, spot=spot))[acts.painter]["found"]
    assert found["runs"] is None
    assert "spot" in found["why"]

    with pytest.raises(PlanError):
        acts.find(gr.EventData(None, {"asked": {"study": study.study_id}}))
