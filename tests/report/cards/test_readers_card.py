from __future__ import annotations

import re

from imil.report.cards.readers_card import MaskedImage, readers_card, readers_words
from imil.study.study import Study
from tests.standins.page_text import numbers_of, words_of
from tests.standins.readers import paint, two_readers

# The button that shows readers each other's masks.
UNBLIND = 'data-ask="{&#34;act&#34;: &#34;unblind&#34;}"'


def told(study: Study) -> str:
    def masked(sample_id: str) -> MaskedImage:
        small, masks = study.pictures.thumbnail(sample_id), study.readers.masks_of(sample_id)
        return MaskedImage(sample_id, small, masks, study.readers.pooling)

    return readers_card(study.readers.reading(), masked)


def test_one_reader_alone_is_not_told_of(study: Study) -> None:
    paint(study, "Ada", 0, side=10)

    assert told(study) == ""
    assert readers_words(study.readers.reading()) == ""
    assert readers_words(None) == ""


def test_readers_are_told_with_times_and_how_far_they_agree(study: Study) -> None:
    two_readers(study)

    card = told(study)

    assert "Ada & Co" in words_of(card)
    # Images masked, passed over, median and total time.
    cells = [part.split("</span>")[0] for part in card.split("<td data-label=")[1:]]
    values = [cell.rpartition("<span>")[2] for cell in cells]
    assert values[:8] == ["3", "0", "7 s", "21 s", "2", "1", "4 s", "8 s"]
    # Both masked 2, one image Ada's alone; Dice 2·100/500 = .40 and 1, IoU 100/400 and 1.
    assert values[8:11] == ["2", "1", "0"]
    assert values[11].startswith(".70 (")
    assert values[12].startswith(".62 (")


def test_blind_readers_are_shown_no_mask_and_offered_to_be_shown_them(study: Study) -> None:
    first, _ = two_readers(study)

    card = told(study)

    assert UNBLIND in card
    assert "<img" not in card
    assert first not in card


def test_then_masks_stand_side_by_side_least_agreement_first(study: Study) -> None:
    first, second = two_readers(study)
    study.readers.unblind()

    card = told(study)

    titles = re.findall('<h4 title="([^"]*)">', card)
    assert titles == [first, second]
    assert "Dice .40 · IoU .25" in words_of(card)
    # Two readers and what is used, of each image.
    assert card.count("<img") == 6
    assert UNBLIND not in card


def test_a_mask_saved_after_that_is_counted_as_late_in_a_warning(study: Study) -> None:
    two_readers(study)
    study.readers.unblind()
    assert 'class="note warn"' not in told(study)

    paint(study, "Bo", 0, side=10)

    warning = told(study).partition('class="note warn"')[2]
    assert numbers_of(warning)[0] == "1"


def test_the_report_tells_of_readers_without_pictures_or_buttons(study: Study) -> None:
    two_readers(study)
    study.readers.unblind()

    card = readers_words(study.readers.reading())

    assert re.search(r"\d\d \w{3} 20\d\d, \d\d:\d\d UTC", card)
    assert "<img" not in card
    assert "data-ask" not in card
