from __future__ import annotations

from pathlib import Path

from tests.standins.second_visit import Opened, look_at_all, measured, start

OPENED = Opened()


def test_a_second_visit_opens_no_image_that_was_read_before(tmp_path: Path) -> None:
    told = measured(50, tmp_path, OPENED)

    assert (told["images"], told["thumbnails"]) == (50, 50)
    assert told["progress_grows"]
    assert told["images_opened_at_second_visit"] == 0


def test_the_count_sees_images_that_are_opened(tmp_path: Path) -> None:
    measured(12, tmp_path, OPENED)
    studies, pool = start(tmp_path)
    (folder,) = (tmp_path / "work" / "studies").iterdir()
    for made in folder.rglob("*.jpg"):
        made.unlink()

    with OPENED.below(folder / "images") as names:
        look_at_all(studies.open(folder.name))

    pool.close()
    assert len(names) == 12
