from __future__ import annotations

import pytest

from imil.datasets.layout.patterns import guess_pattern, parse_pattern
from imil.errors import DataError


@pytest.mark.parametrize(
    ("pattern", "name", "patient"),
    [
        ("{patient}_*", "sick/p01_left.png", "p01"),
        ("{patient}_*", "p01_left_2.png", "p01"),
        ("{patient}_*", "p01.png", None),
        ("{patient}_*", "_left.png", None),
        ("{patient}/*", "sick/p3/x.png", "p3"),
        ("{patient}/*", "x.png", None),
        ("{patient}/*/*", "p3/visit 1/x.png", "p3"),
        ("pat{patient}-*", "pat7-1.png", "7"),
        ("*_{patient}", "film_x_p9.png", "x_p9"),
        ("*_{patient}_L", "a_b_L.png", "b"),
        ("{patient}", "p9.dcm", "p9"),
        ("p{patient}", "p.png", None),
        ("{patient}{side}", "0/9003175L.png", "9003175"),
        ("RET{patient}{side}", "RET002OD.jpg", "002"),
        ("{patient}{side}", "normal.png", None),
    ],
)
def test_a_pattern_is_held_against_the_end_of_a_path(
    pattern: str, name: str, patient: str | None
) -> None:
    assert parse_pattern(pattern).patient(name) == patient


@pytest.mark.parametrize("written", ["", "p*", "{patient}{patient}", "{patient}*", "**_{patient}"])
def test_a_pattern_that_leaves_the_patient_open_is_refused(written: str) -> None:
    with pytest.raises(DataError, match=r"is no pattern for patients\. It must hold \{patient\}"):
        parse_pattern(written)


def test_a_long_name_takes_no_longer_for_a_hostile_pattern() -> None:
    pattern = parse_pattern("*a*a*a*a*a*a*a*a*a*a*a*a{patient}b")

    assert pattern.patient(f"{'a' * 1000}c.png") is None


@pytest.mark.parametrize(
    ("names", "guess"),
    [
        ([f"c{k % 2}/p{k // 3}_{k}.png" for k in range(60)], "{patient}_*"),
        ([f"c{k % 2}/p{k // 3}/{k}.png" for k in range(60)], "{patient}/*"),
        ([f"p{k // 3}-{k}.png" for k in range(60)], "{patient}-*"),
        ([f"c{k % 2}/ISIC_{k}.png" for k in range(60)], None),
        ([f"c{k % 2}/{k}.png" for k in range(60)], None),
        ([f"{k % 2}/{9000 + k // 2}{'LR'[k % 2]}.png" for k in range(40)], "{patient}{side}"),
        ([f"c/UC_patient_{k // 3}_{k}.png" for k in range(60)], "*patient_{patient}_*"),
        ([], None),
    ],
)
def test_a_pattern_is_guessed_where_it_sorts_all_names_plausibly(
    names: list[str], guess: str | None
) -> None:
    found = guess_pattern(names, {name: name[:2] for name in names})

    assert (None if found is None else found.pattern) == guess


@pytest.mark.parametrize(
    ("names", "sure"),
    [
        ([f"p{k // 2}_{k}.png" for k in range(20)], False),
        ([f"{k // 2}_{('left', 'right')[k % 2]}.png" for k in range(20)], True),
        ([f"{1000 + k // 2}-{k}.png" for k in range(20)], True),
        ([f"person{k // 2}_{k}.png" for k in range(20)], True),
    ],
)
def test_sides_long_numbers_and_words_for_persons_are_believed(
    names: list[str], sure: bool
) -> None:
    found = guess_pattern(names, dict.fromkeys(names, "x"))

    assert found is not None
    assert found.sure is sure
    assert len(set(found.patients.values())) == 10


def test_numbers_counted_anew_in_each_folder_and_classes_are_no_patients() -> None:
    counted = [f"{label}/{n:04}_x.png" for label in "ab" for n in range(20)]
    classes = {f"class{n % 9}_{n}.png": f"class{n % 9}" for n in range(36)}

    assert guess_pattern(counted, {name: name[0] for name in counted}) is None
    assert guess_pattern(list(classes), classes) is None
