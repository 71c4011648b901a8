from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from imil.app.painter.painter import (
    PARTS,
    Accepted,
    Painted,
    PainterImage,
    build_painter,
    changed_value,
    decode_painted,
    decode_run_lengths,
    encode_image,
    encode_painter_image,
    encode_pixel_steps,
    encode_run_lengths,
    kept_value,
    offer,
    read_mask_png,
    refusal,
    saliency_value,
)
from imil.core.bounds import LONGEST_PAINTING
from imil.core.records import Origin, Pixels, Queue, Region
from imil.errors import MaskError
from imil.report.parts.markup import ASSETS

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
    assert encode_run_lengths(MASK) == [1, 2, 2, 1]


def test_runs_start_with_nought_where_the_first_pixel_is_hidden() -> None:
    assert encode_run_lengths(~MASK) == [0, 1, 2, 2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_any_mask_survives_its_runs(seed: int) -> None:
    irrelevant: Region = np.random.default_rng(seed).random((7, 11)) < 0.4

    assert np.array_equal(
        decode_run_lengths(encode_run_lengths(irrelevant), width=11, height=7), irrelevant
    )


def test_an_empty_and_a_full_mask_survive_their_runs() -> None:
    assert encode_run_lengths(np.zeros((2, 3), bool)) == [6]
    assert encode_run_lengths(np.ones((2, 3), bool)) == [0, 6]
    assert decode_run_lengths([6], width=3, height=2).sum() == 0
    assert decode_run_lengths([0, 6], width=3, height=2).all()


@pytest.mark.parametrize("runs", [[1, 2, 2], [1, 2, 2, 2], [-1, 7], []])
def test_runs_that_do_not_fill_the_image_are_refused(runs: list[int]) -> None:
    with pytest.raises(MaskError, match=r"does not fill the film's 3 × 2 .* Open the film again"):
        decode_run_lengths(runs, width=3, height=2)


@pytest.mark.parametrize(
    ("width", "height", "runs"),
    [(0, 2, [0]), (10**6, 10**6, [10**12]), (3, 2, [1.5, 4.5]), ("3", 2, [6]), (True, 1, [1])],
)
def test_a_size_out_of_bounds_is_refused(width: Any, height: Any, runs: Any) -> None:
    with pytest.raises(MaskError, match=r"up to 80 megapixels.*repeat the last stroke"):
        decode_run_lengths(runs, width=width, height=height)


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
    "broken",
    [
        {"size": [3]},
        {"size": None},
        {"rev": "new"},
        {"runs": 5},
        {"origin": "found"},
        {"queue": "best"},
    ],
)
def test_a_value_the_painter_does_not_make_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(MaskError, match=r"does not make.*kept in the browser"):
        decode_painted(payload(**broken))


HOSTILE = [float("nan"), float("inf"), -(10**400), 10**400, "x" * 10**6, "\ud800", [[[]]], {}, True]


@pytest.mark.parametrize("name", ["rev", "seconds", "study", "sample", "stroke", "press", "base"])
def test_whatever_a_hostile_page_sends_in_a_value_is_refused_in_words(name: str) -> None:
    for value in HOSTILE:
        with pytest.raises(MaskError, match=r"does not make.*kept in the browser"):
            decode_painted(payload(**{name: value}))


@pytest.mark.parametrize(
    "change",
    [
        *({"runs": [value]} for value in HOSTILE),
        *({"size": [value, 2]} for value in HOSTILE),
        *({"size": value, "runs": value} for value in HOSTILE),
        {"runs": [6] * 10**5},
        {"runs": [2**63, -(2**63), 6]},
        {"size": [-3, -2]},
        {"origin": ["painted"]},
        {"queue": {"mispredicted": 1}},
    ],
)
def test_runs_and_sizes_of_a_hostile_page_are_refused_in_words(change: dict[str, Any]) -> None:
    with pytest.raises(MaskError):
        decode_painted(payload(**change))


def test_a_film_left_open_for_a_week_costs_nobody_the_mask() -> None:
    painted = decode_painted(payload(seconds=7 * 86400.0))

    assert painted is not None
    assert painted.seconds == LONGEST_PAINTING


def test_the_browser_is_told_size_mask_and_what_was_stored() -> None:
    film = PainterImage(
        "s1",
        "film_2",
        encode_image(np.zeros((2, 3), np.uint8)),
        MASK,
        "2 of 9",
        Accepted("film_1", 4),
    )

    value = encode_painter_image(film)

    assert value["size"] == [3, 2]
    assert value["runs"] == [1, 2, 2, 1]
    assert value["accepted"] == {"sample": "film_1", "rev": 4, "base": "", "reader": ""}
    assert (value["depth"], value["channels"]) == (8, 1)


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
    film = PainterImage(
        "s1", "film_2", encode_image(np.zeros((2, 3), np.uint8)), MASK, origin=origin
    )

    assert encode_painter_image(film)["start"] == start


def test_a_predicted_mask_is_offered_for_one_film_and_stroke() -> None:
    assert offer("s1", "film_2", MASK, stroke="9") == {
        "study": "s1",
        "sample": "film_2",
        "runs": [1, 2, 2, 1],
        "stroke": "9",
    }


def test_a_mask_comes_back_with_its_queue_and_the_mask_that_was_known() -> None:
    painted = decode_painted(payload(queue="random", base="4f", press="8"))

    assert painted is not None
    assert (painted.queue, painted.base, painted.press) == (Queue.RANDOM, "4f", "8")


def test_a_page_from_before_these_were_sent_says_nothing_of_them() -> None:
    painted = decode_painted(payload())

    assert painted is not None
    assert (painted.queue, painted.base, painted.press) == (None, None, "")


def unpacked(value: str, like: Pixels) -> Pixels:
    """Do what the browser does: inflate, and add up differences that wrap at the depth."""
    steps = np.frombuffer(zlib.decompress(base64.b64decode(value)), like.dtype.newbyteorder("<"))
    steps = steps.reshape(-1, 1 if like.ndim == 2 else 3)
    return cast("Pixels", np.cumsum(steps, 0, dtype=like.dtype).reshape(like.shape))


@pytest.mark.parametrize(
    ("shape", "depth"), [((5, 7), np.uint8), ((5, 7), np.uint16), ((4, 3, 3), np.uint8)]
)
def test_the_browser_is_sent_every_stored_value(shape: tuple[int, ...], depth: Any) -> None:
    pixels = np.random.default_rng(1).integers(0, np.iinfo(depth).max, shape, depth, endpoint=True)

    assert np.array_equal(unpacked(encode_pixel_steps(pixels), pixels), pixels)


def test_sixteen_bits_are_sent_with_their_own_windows() -> None:
    pixels = np.arange(100, 4100, dtype=np.uint16).reshape(40, 100)

    value = encode_painter_image(PainterImage("s1", "film_2", encode_image(pixels)))

    assert (value["depth"], value["channels"], value["first"]) == (16, 1, "auto")
    assert value["range"] == [100, 4099]
    assert list(value["windows"]) == ["full", "lung", "bone", "auto"]
    assert value["windows"]["full"] == [100, 4099]


def test_colour_is_sent_without_presets() -> None:
    value = encode_painter_image(
        PainterImage("s1", "film_2", encode_image(np.zeros((2, 3, 3), np.uint8)))
    )

    assert (value["channels"], value["first"], list(value["windows"])) == (3, "full", ["full"])


def test_a_saliency_map_is_sent_for_one_film_at_a_byte_a_pixel() -> None:
    saliency = np.array([[0.0, 0.5, 2.0], [np.nan, 1.0, 0.002]])

    value = saliency_value("s1", "film_2", saliency)

    assert value["size"] == [3, 2]
    assert list(base64.b64decode(value["values"])) == [0, 128, 255, 0, 255, 1]


def test_a_film_without_a_saliency_map_says_why() -> None:
    value = saliency_value("s1", "film_2", None, why="It looks nowhere.")

    assert (value["values"], value["why"]) == ("", "It looks nowhere.")


def test_what_became_of_a_mask_is_answered_with_the_act_that_handed_it_in() -> None:
    painted = decode_painted(payload(base="old", press="8", reader=" Ada "))
    assert painted is not None
    error = MaskError("No.", why="Because.", fix="Do.")

    kept, plain = kept_value(painted, base="new"), refusal(painted, error)
    changed = changed_value(painted, error, base="new", stored=~MASK, origin=Origin.PAINTED)

    accepted = {"sample": "film_1", "rev": 4, "base": "new", "reader": "Ada"}
    assert kept["accepted"] == accepted
    assert plain["reader"] == changed["reader"] == "Ada"
    assert (plain["words"], plain["base"]) == ("No. Because. Do.", "old")
    assert (changed["base"], changed["runs"]) == ("new", [0, 1, 2, 2, 1])
    assert kept["press"] == plain["press"] == changed["press"] == "8"


def test_an_image_without_a_mask_starts_empty() -> None:
    value = encode_painter_image(
        PainterImage("s1", "film_2", encode_image(np.zeros((2, 3, 3), np.uint8)))
    )

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
    monkeypatch.setattr("imil.app.painter.painter.MAX_PAINTED_PIXELS", 5)

    with pytest.raises(MaskError, match=r"too large.*3 × 2 pixels.*own size"):
        read_mask_png(saved(Image.fromarray(MASK)))


def test_a_film_that_still_loads_has_nothing_painted_on_it() -> None:
    film = encode_painter_image(
        PainterImage("study", "film", encode_image(np.zeros((8, 8), np.uint8)))
    )

    assert decode_painted(film) is None


def test_the_painters_scripts_which_run_as_one_name_nothing_twice() -> None:
    scripts = [(ASSETS / "painter" / f"{part}.js").read_text("utf-8") for part in PARTS]
    names = re.findall(r"^(?:const|let|function) (\w+)", "".join(scripts), re.MULTILINE)

    assert [name for name in set(names) if names.count(name) > 1] == []
