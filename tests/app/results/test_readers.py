from __future__ import annotations

import gradio as gr
import pytest

from imil.app.results.downloads import make_file, reader_folders
from imil.app.results.results_handlers import ResultsHandlers
from imil.app.results.results_tab import readers_shown
from imil.app.review.queue_view import progress_line
from imil.app.screen import Screen
from imil.errors import PlanError
from imil.hub_export import data_files
from imil.study.library.studies import Studies
from imil.study.review.viewing import View
from imil.study.study import Study
from tests.standins.page_text import numbers_of, words_of
from tests.standins.readers import paint, study_to_read, two_readers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# The button that shows readers each other's masks.
UNBLIND = 'data-ask="{&#34;act&#34;: &#34;unblind&#34;}"'


@pytest.fixture
def study(studies: Studies) -> Study:
    return study_to_read(studies)


def test_a_reader_with_a_name_is_told_it_beside_what_they_have_reviewed(study: Study) -> None:
    paint(study, "Ada & Co", 0, side=10)

    named = progress_line(study, View(reader="Ada & Co"))
    unnamed = progress_line(study, View())

    assert numbers_of(named) == ["1", str(len(study.queues.offers()))]
    assert "Ada & Co" in words_of(named)
    assert 'class="as"' not in unnamed


def test_one_reader_alone_is_not_told_of(study: Study) -> None:
    paint(study, "Ada", 0, side=10)

    assert readers_shown(study) == readers_shown(study, "Ada") == ""


def test_who_masked_nothing_is_refused_the_whole_study_and_shown_the_way_to_it(
    screen: Screen, study: Study
) -> None:
    paint(study, "Ada", 0, side=10)
    acts, tab = ResultsHandlers(screen), screen.results
    whole = gr.EventData(None, {"ask": {"file": "study"}})
    unblind = gr.EventData(None, {"ask": {"act": "unblind"}})

    refused = acts.download(study.study_id, "Bo", whole)
    opened = acts.readers(study.study_id, "Bo", unblind)
    handed = acts.download(study.study_id, "Bo", whole)

    assert 'role="alert"' in refused[tab.trouble]
    assert refused[tab.readers]["visible"]
    assert UNBLIND in refused[tab.readers]["value"]
    assert "Ada" in refused[tab.readers]["value"]
    assert opened[tab.trouble] == ""
    assert opened[tab.readers]["visible"]
    assert UNBLIND not in opened[tab.readers]["value"]
    assert handed[tab.handout]["name"] == "study.zip"


def test_while_they_are_blind_no_mask_is_shown_or_handed_out(study: Study) -> None:
    first, _ = two_readers(study)

    assert "<img" not in readers_shown(study)
    for what in ("masks", "agreement"):
        with pytest.raises(PlanError, match="Readers are blind to each other's masks"):
            make_file(study, what)
    with pytest.raises(PlanError, match="Readers are blind"):
        make_file(study, "masks", reader="Bo")
    with pytest.raises(PlanError, match="Readers are blind"):
        data_files(study, "owner/name")
    with pytest.raises(PlanError, match="Readers are blind"):
        study.readers.masks_of(first)


def test_then_masks_are_shown_and_how_far_they_agree_is_a_file(study: Study) -> None:
    first, _ = two_readers(study)
    study.readers.unblind()

    name, content = make_file(study, "agreement")

    # Two readers and what is used, of each image.
    assert readers_shown(study).count("<img") == 6
    assert name == "agreement.csv"
    assert content.decode().splitlines()[:2] == [
        "image,first,second,dice,iou",
        f"{first},Ada & Co,Bo,0.400000,0.250000",
    ]


def test_a_mask_saved_after_that_is_not_counted_as_independent(study: Study) -> None:
    first, _ = two_readers(study)
    study.readers.unblind()
    before = study.readers.reading().agreement

    paint(study, "Bo", 0, side=10)

    assert study.readers.reading().agreement == before
    assert study.readers.reading().late == 1
    masks = study.readers.masks_of(first)
    assert {reader: int(region.sum()) for reader, region in masks.items() if reader == "Bo"} == {
        "Bo": 100
    }


def test_masks_of_several_readers_lie_in_a_folder_each() -> None:
    assert reader_folders(["Ada", "Ada"]) == {"Ada": ""}
    assert reader_folders(["Dr. Ada", "a/b", "a\\b", "..", "Ada"]) == {
        "Dr. Ada": "Dr. Ada/",
        "a/b": "a-b 2/",
        "a\\b": "a-b 3/",
        "..": "reader/",
        "Ada": "Ada/",
    }
