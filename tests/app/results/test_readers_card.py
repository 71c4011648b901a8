from __future__ import annotations

import re
from dataclasses import replace

import gradio as gr
import pytest

from imil.app.results.downloads import make_file, reader_folders
from imil.app.results.results_handlers import ResultsHandlers
from imil.app.results.results_tab import readers_shown
from imil.app.review.queue_view import progress_line
from imil.app.screen import Screen
from imil.core.records import Region
from imil.errors import PlanError
from imil.hub_export import data_files
from imil.report.cards.readers_card import readers_words
from imil.study.library.studies import Studies
from imil.study.review.viewing import View
from imil.study.study import Study
from tests.standins.trained import as_if_trained, corner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def study(studies: Studies) -> Study:
    made = studies.demo()
    made.training.set_plan(replace(made.plan, size=32, budget=0.2))
    return as_if_trained(made)


def paint(study: Study, reader: str, place: int, *, side: int, seconds: float = 4) -> str:
    sample_id = study.queues.offers()[place].sample_id
    region: Region = corner(study, sample_id, side=side)
    study.review.submit(sample_id, region, reader=reader, seconds=seconds)
    return sample_id


def two_readers(study: Study) -> tuple[str, str]:
    """Mask two images: of the second, both readers say quite the same."""
    ids = [paint(study, "Ada & Co", place, side=10, seconds=8 - place) for place in range(3)]
    paint(study, "Bo", 0, side=20)
    paint(study, "Bo", 1, side=10)
    study.review.skip(ids[2], reader="Bo")
    return ids[0], ids[1]


def test_a_reader_with_a_name_is_told_it_beside_what_they_have_reviewed(study: Study) -> None:
    paint(study, "Ada & Co", 0, side=10)
    queue = study.queues.offers()

    named = progress_line(study, View(reader="Ada & Co"))
    unnamed = progress_line(study, View())

    assert f"1 of {len(queue)} reviewed" in named
    assert '<span class="as"> · as Ada &amp; Co</span>' in named
    assert " as " not in unnamed


def test_one_reader_alone_is_not_told_of(study: Study) -> None:
    paint(study, "Ada", 0, side=10)

    assert readers_shown(study) == readers_shown(study, "Ada") == ""
    assert readers_words(study.readers.reading()) == ""
    assert readers_words(None) == ""


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

    assert "under “Readers” on the Results tab" in refused[tab.trouble]
    assert refused[tab.readers]["visible"]
    assert "Yes, show them" in refused[tab.readers]["value"]
    assert "Ada" in refused[tab.readers]["value"]
    assert opened[tab.trouble] == ""
    assert "masks since" in opened[tab.readers]["value"]
    assert "Yes, show them" not in opened[tab.readers]["value"]
    assert handed[tab.handout]["name"] == "study.zip"


def test_readers_are_told_with_times_and_how_far_they_agree(study: Study) -> None:
    two_readers(study)

    told = readers_shown(study)

    assert "Ada &amp; Co" in told
    # Images masked, passed over, median and total time.
    cells = [part.split("</span>")[0] for part in told.split("<td data-label=")[1:]]
    values = [cell.rpartition("<span>")[2] for cell in cells]
    assert values[:8] == ["3", "0", "7 s", "21 s", "2", "1", "4 s", "8 s"]
    # Both masked 2, one image Ada's alone; Dice 2·100/500 = .40 and 1, IoU 100/400 and 1.
    assert values[8:11] == ["2", "1", "0"]
    assert values[11].startswith(".70 (")
    assert values[12].startswith(".62 (")
    assert "mean over 2 training images masked by two or more" in told
    assert "1 image was masked by one reader alone" in told


def test_while_they_are_blind_no_mask_is_shown_or_handed_out(study: Study) -> None:
    first, _ = two_readers(study)

    told = readers_shown(study)

    assert "blind to each other" in told
    assert "<img" not in told
    assert first not in told
    for what in ("masks", "agreement"):
        with pytest.raises(PlanError, match="Readers are blind to each other's masks"):
            make_file(study, what)
    with pytest.raises(PlanError, match="Readers are blind"):
        make_file(study, "masks", reader="Bo")
    with pytest.raises(PlanError, match="Readers are blind"):
        data_files(study, "owner/name")
    with pytest.raises(PlanError, match="Readers are blind"):
        study.readers.masks_of(first)


def test_then_masks_stand_side_by_side_least_agreement_first(study: Study) -> None:
    first, second = two_readers(study)
    study.readers.unblind()

    told = readers_shown(study)

    assert told.index(f'title="{first}"') < told.index(f'title="{second}"')
    assert "Dice .40 · IoU .25" in told
    # Two readers and what is used, of each image.
    assert told.count("<img") == 6
    assert told.count("All: union") >= 2
    assert '<button type="button" class="imil-btn" data-ask="{&quot;act' not in told
    name, content = make_file(study, "agreement")
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
    assert "1 mask saved since then: not independent" in readers_shown(study)
    assert study.readers.reading().late == 1
    masks = study.readers.masks_of(first)
    assert {reader: int(region.sum()) for reader, region in masks.items() if reader == "Bo"} == {
        "Bo": 100
    }


def test_the_report_tells_of_readers_without_pictures(study: Study) -> None:
    two_readers(study)
    study.readers.unblind()

    told = readers_words(study.readers.reading())

    assert re.search(r"masks since \d\d \w{3} 20\d\d, \d\d:\d\d UTC", told)
    assert "<img" not in told
    assert "data-ask" not in told


def test_masks_of_several_readers_lie_in_a_folder_each() -> None:
    assert reader_folders(["Ada", "Ada"]) == {"Ada": ""}
    assert reader_folders(["Dr. Ada", "a/b", "a\\b", "..", "Ada"]) == {
        "Dr. Ada": "Dr. Ada/",
        "a/b": "a-b 2/",
        "a\\b": "a-b 3/",
        "..": "reader/",
        "Ada": "Ada/",
    }
