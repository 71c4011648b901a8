from __future__ import annotations

from imil.report.cards.study_card import StudyData, study_card, study_line
from imil.study.study import Study
from tests.standins.page_text import numbers_of


def test_a_study_is_told_in_a_line_with_how_many_images_and_classes(study: Study) -> None:
    assert numbers_of(study_line(study.images)) == [str(len(study.images)), "2"]


def test_a_study_shows_twelve_samples_and_each_split(study: Study) -> None:
    data = StudyData(study.images, study.proof, study.report, study.pictures.thumbnail)

    card = study_card(data)

    assert card.count('src="data:image/jpeg;base64,') == 12
    for split in ("Train", "Validation", "Test"):
        assert f'<th scope="row">{split}</th>' in card
