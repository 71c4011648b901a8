from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imil.core.records import Origin, Region
from imil.errors import MaskError
from imil.ui.painter import (
    Accepted,
    Film,
    Painted,
    build_painter,
    decode_painted,
    decode_runs,
    encode_film,
    encode_runs,
    offer,
    read_mask_png,
)

MASK = np.array([[False, True, True], [False, False, True]])


def payload(**changes: Any) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "study": "s1",
        "sample": "film_1",
        "size": [3, 2],
        "mode": "hide",
        "runs": [1, 2, 2, 1],
        "rev": 4,
        "seconds": 12.5,
    }
    return sent | changes


def test_runs_are_counted_row_by_row_from_what_stays() -> None:
    assert encode_runs(MASK) == [1, 2, 2, 1]


def test_runs_start_with_nought_where_the_first_pixel_is_hidden() -> None:
    assert encode_runs(~MASK) == [0, 1, 2, 2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_any_mask_survives_its_runs(seed: int) -> None:
    irrelevant: Region = np.random.default_rng(seed).random((7, 11)) < 0.4

    assert np.array_equal(decode_runs(encode_runs(irrelevant), width=11, height=7), irrelevant)


def test_an_empty_and_a_full_mask_survive_their_runs() -> None:
    assert encode_runs(np.zeros((2, 3), bool)) == [6]
    assert encode_runs(np.ones((2, 3), bool)) == [0, 6]
    assert decode_runs([6], width=3, height=2).sum() == 0
    assert decode_runs([0, 6], width=3, height=2).all()


@pytest.mark.parametrize("runs", [[1, 2, 2], [1, 2, 2, 2], [-1, 7], []])
def test_runs_that_do_not_fill_the_image_are_refused(runs: list[int]) -> None:
    with pytest.raises(MaskError, match=r"does not fill the film's 3 × 2 .* Open the film again"):
        decode_runs(runs, width=3, height=2)


@pytest.mark.parametrize(
    ("width", "height", "runs"),
    [(0, 2, [0]), (10**6, 10**6, [10**12]), (3, 2, [1.5, 4.5]), ("3", 2, [6]), (True, 1, [1])],
)
def test_a_size_out_of_bounds_is_refused(width: Any, height: Any, runs: Any) -> None:
    with pytest.raises(MaskError, match=r"up to 80 megapixels.*repeat the last stroke"):
        decode_runs(runs, width=width, height=height)


def test_a_mask_comes_back_with_the_image_it_was_painted_on() -> None:
    painted = decode_painted(payload())

    assert isinstance(painted, Painted)
    assert (painted.study_id, painted.sample_id, painted.rev) == ("s1", "film_1", 4)
    assert painted.irrelevant.tolist() == MASK.tolist()
    assert painted.seconds == 12.5


@pytest.mark.parametrize("sent", [None, {}, "x", {"image": "data:"}])
def test_no_open_image_gives_no_mask(sent: Any) -> None:
    assert decode_painted(sent) is None


@pytest.mark.parametrize(
    "broken", [{"size": [3]}, {"size": None}, {"rev": "new"}, {"runs": 5}, {"origin": "found"}]
)
def test_a_value_the_painter_does_not_make_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(MaskError, match=r"does not make.*kept in the browser"):
        decode_painted(payload(**broken))


def test_the_browser_is_told_size_mask_and_what_was_stored() -> None:
    film = Film("s1", "film_2", np.zeros((2, 3), np.uint8), MASK, "2 of 9", Accepted("film_1", 4))

    value = encode_film(film)

    assert value["size"] == [3, 2]
    assert value["runs"] == [1, 2, 2, 1]
    assert value["accepted"] == {"sample": "film_1", "rev": 4}
    assert value["image"].startswith("data:image/png;base64,")


def test_a_mask_comes_back_with_how_it_came_about_and_the_strokes_number() -> None:
    painted = decode_painted(payload(origin="corrected", stroke="17"))

    assert painted is not None
    assert (painted.origin, painted.stroke) == (Origin.CORRECTED, "17")


@pytest.mark.parametrize(
    ("origin", "start"),
    [(Origin.PAINTED, None), (Origin.PREDICTED, [1, 2, 2, 1]), (Origin.CORRECTED, [])],
)
def test_the_browser_can_tell_whether_a_stored_mask_is_still_the_predicted_one(
    origin: Origin, start: list[int] | None
) -> None:
    film = Film("s1", "film_2", np.zeros((2, 3), np.uint8), MASK, origin=origin)

    assert encode_film(film)["start"] == start


def test_a_predicted_mask_is_offered_for_one_film_and_stroke() -> None:
    assert offer("s1", "film_2", MASK, stroke="9") == {
        "study": "s1",
        "sample": "film_2",
        "runs": [1, 2, 2, 1],
        "stroke": "9",
    }


def test_an_image_without_a_mask_starts_empty() -> None:
    value = encode_film(Film("s1", "film_2", np.zeros((2, 3, 3), np.uint8)))

    assert value["runs"] == [6]
    assert value["accepted"] is None


def test_the_template_names_no_value_so_no_text_of_a_user_is_ever_rendered_in_it() -> None:
    painter = build_painter()

    assert "value}" not in painter.html_template
    assert "${" not in painter.html_template


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Image.Image], Path]:
    def save(image: Image.Image) -> Path:
        image.save(tmp_path / "mask.png")
        return tmp_path / "mask.png"

    return save


def test_a_grey_mask_file_hides_where_it_is_not_black(saved: Callable[[Image.Image], Path]) -> None:
    path = saved(Image.fromarray(MASK.astype(np.uint8) * 255))

    assert read_mask_png(path).tolist() == MASK.tolist()


def test_a_one_bit_mask_file_hides_where_it_is_white(saved: Callable[[Image.Image], Path]) -> None:
    assert read_mask_png(saved(Image.fromarray(MASK))).tolist() == MASK.tolist()


def test_a_mask_file_with_alpha_hides_where_it_is_opaque(
    saved: Callable[[Image.Image], Path],
) -> None:
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[MASK, 3] = 255

    assert read_mask_png(saved(Image.fromarray(rgba))).tolist() == MASK.tolist()


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("no image")

    with pytest.raises(MaskError, match=r"no image that can be opened.*Send a PNG"):
        read_mask_png(tmp_path / "mask.png")


def test_a_mask_file_beyond_the_limit_is_refused(
    saved: Callable[[Image.Image], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imil.ui.painter.MAX_PIXELS", 5)

    with pytest.raises(MaskError, match=r"too large.*3 × 2 pixels.*own size"):
        read_mask_png(saved(Image.fromarray(MASK)))
