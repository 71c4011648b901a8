from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from imil.core.records import Sample, Split
from imil.core.splits import (
    carve,
    make_splits,
    prove_disjoint,
    require_every_class,
)
from imil.errors import DataError

TRAIN, VALIDATION, TEST = Split


def _unknown(number: int) -> list[str | None]:
    return [None] * number


def test_shares_are_kept_a_class() -> None:
    labels = ["a"] * 100 + ["b"] * 10

    splits = make_splits(labels, _unknown(110), seed=0)

    assert Counter(zip(labels, splits, strict=True)) == {
        ("a", TRAIN): 70,
        ("a", VALIDATION): 10,
        ("a", TEST): 20,
        ("b", TRAIN): 7,
        ("b", VALIDATION): 1,
        ("b", TEST): 2,
    }


def test_equal_seeds_give_equal_splits_and_others_differ() -> None:
    labels = ["a", "b"] * 50

    assert make_splits(labels, _unknown(100), seed=3) == make_splits(labels, _unknown(100), seed=3)
    assert make_splits(labels, _unknown(100), seed=3) != make_splits(labels, _unknown(100), seed=4)


def test_patients_stay_whole() -> None:
    random = np.random.default_rng(0)
    patients: list[str | None] = [f"p{n}" for n in random.integers(0, 60, 400)]
    labels = [("a", "b")[n] for n in random.integers(0, 2, 400)]

    splits = make_splits(labels, patients, seed=0)

    assert all(
        len({s for s, p in zip(splits, patients, strict=True) if p == q}) == 1 for q in patients
    )
    assert Counter(splits)[TRAIN] == pytest.approx(280, abs=8)
    assert Counter(splits)[TEST] == pytest.approx(80, abs=8)


def test_three_patients_of_a_class_reach_all_three_splits() -> None:
    labels = ["common"] * 50 + ["rare"] * 5
    patients = [*_unknown(50), "p", "p", "q", "q", "r"]

    for seed in range(20):
        splits = make_splits(labels, patients, seed=seed)
        assert set(splits[50:]) == set(Split)


def test_an_id_that_looks_like_a_row_number_is_no_unknown_patient() -> None:
    splits = make_splits(["a", "b"] * 10, ["1", *_unknown(19)], seed=0)

    assert len(splits) == 20


def test_a_class_that_is_too_small_is_named() -> None:
    labels = ["common"] * 20 + ["rare"] * 4
    patients = [*_unknown(20), "p", "p", "q", "q"]

    with pytest.raises(
        DataError,
        match=r"“rare” is too small to be split\. It has 4 images of 2 patients, and each of "
        r"train, validation and test needs a patient of every class\. Add images of other patients",
    ):
        make_splits(labels, patients, seed=0)


def _possible(held: list[set[str]]) -> bool:
    """Return whether patients, as the classes that each has, can be shared out at all."""
    classes = set().union(*held)
    return any(
        all(
            {s for s, own in zip(ways, held, strict=True) if c in own} == {0, 1, 2} for c in classes
        )
        for ways in itertools.product(range(3), repeat=len(held))
    )


def test_whatever_can_be_split_is_split() -> None:
    draw = np.random.default_rng(0)
    outcomes: Counter[bool] = Counter()
    for _ in range(300):
        classes = "abcd"[: draw.integers(2, 5)]
        held = [
            set(draw.choice(list(classes), draw.integers(1, 4))) for _ in range(draw.integers(3, 8))
        ]
        rows = [
            (label, f"p{number}")
            for number, own in enumerate(held)
            for label in sorted(own)
            for _ in range(draw.integers(1, 4))
        ]
        labels, patients = [label for label, _ in rows], [patient for _, patient in rows]
        possible = _possible(held)
        outcomes[possible] += 1

        try:
            splits = make_splits(labels, patients, seed=0)
        except DataError:
            assert not possible
            continue

        assert possible
        assert len(set(zip(patients, splits, strict=True))) == len(held)
        assert len(set(zip(labels, splits, strict=True))) == 3 * len(set(labels))
    assert min(outcomes.values()) > 50


def test_classes_that_need_the_same_patients_are_told() -> None:
    pairs = ["ab", "ac", "bc", "abc"]
    labels, patients = list("".join(pairs)), [str(n) for n, own in enumerate(pairs) for _ in own]

    with pytest.raises(DataError, match=r"can't be split.* needed for other classes too"):
        make_splits(labels, patients, seed=0)


# Ten classes and 15 patients, each of two classes (the Petersen graph): every class has three
# patients, and yet there are no splits.
PETERSEN = (
    *((n, (n + 1) % 5) for n in range(5)),
    *((n, n + 5) for n in range(5)),
    *((n + 5, (n + 2) % 5 + 5) for n in range(5)),
)


@pytest.mark.parametrize("copies", [1, 12])
def test_where_there_are_no_splits_the_search_for_them_ends(copies: int) -> None:
    # Classes of different copies take turns, so that the search goes to and fro between them.
    pairs = [(copies * a + n, copies * b + n) for a, b in PETERSEN for n in range(copies)]
    labels = [f"{label:03}" for pair in pairs for label in pair]
    patients = [str(number) for number, _ in enumerate(pairs) for _ in range(2)]

    with pytest.raises(DataError, match=r"can't be split"):
        make_splits(labels, patients, seed=0)


def test_lengths_are_checked() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        make_splits(["a"], [], seed=0)


def test_validation_is_carved_out_of_train_alone() -> None:
    labels = ["a", "b"] * 50
    ready = [TRAIN] * 80 + [TEST] * 20

    splits = carve(labels, _unknown(100), ready, into=VALIDATION, seed=0)

    assert splits[80:] == (TEST,) * 20
    assert Counter(splits[:80]) == {TRAIN: 70, VALIDATION: 10}


def test_carving_keeps_patients_whole_and_names_small_classes() -> None:
    patients: list[str | None] = ["p", "p", "q", "q", "r", "r"]
    ready = [TRAIN] * 4 + [VALIDATION] * 2

    splits = carve(["a", "b"] * 3, patients, ready, into=TEST, seed=0)

    assert splits[0] == splits[1] != splits[2] == splits[3]
    with pytest.raises(DataError, match="each of train and validation needs a patient"):
        carve(["a", "b"], ["p", "q"], [TRAIN, TRAIN], into=VALIDATION, seed=0)


def test_a_class_missing_from_a_ready_split_is_named() -> None:
    with pytest.raises(
        DataError, match=r"“b” has no validation image\..*Put some of its images into validation"
    ):
        require_every_class(["a", "a", "a", "b", "b"], [TRAIN, VALIDATION, TEST, TRAIN, TEST])


def _samples(*patients: str | None) -> list[Sample]:
    splits = [TRAIN, VALIDATION, TEST]
    return [Sample(str(n), 0, splits[n % 3], patient) for n, patient in enumerate(patients)]


def test_the_proof_counts_patients() -> None:
    proof = prove_disjoint(_samples("p", "q", "r", "p"))

    assert str(proof) == "No patient in two splits. 3 patients checked, 0 shared."
    assert proof.complete
    assert [(c.split, c.images, c.patients) for c in proof.counts] == [
        (TRAIN, 2, 1),
        (VALIDATION, 1, 1),
        (TEST, 1, 1),
    ]


def test_unknown_patients_are_said() -> None:
    assert prove_disjoint(_samples(None, None, None)).sentence == (
        "Patients unknown. 3 images have no patient id, so one patient may be in train and test, "
        "and the accuracy may be too high."
    )
    assert prove_disjoint(_samples("p", None)).sentence == (
        "No known patient in two splits. 1 patient checked, 0 shared. 1 image has no patient id, "
        "so one patient may be in train and test, and the accuracy may be too high."
    )


def test_a_patient_in_two_splits_is_refused_by_name() -> None:
    with pytest.raises(
        DataError,
        match=r"1 patient is in more than one split\. These are “p” \(train, validation\)\. .* "
        r"Put all images of a patient into one split",
    ):
        prove_disjoint(_samples("p", "p", "q"))


def test_of_many_shared_patients_five_are_named() -> None:
    samples = [Sample(f"{n}{s}", 0, s, f"p{n}") for n in range(7) for s in (TRAIN, TEST)]

    with pytest.raises(DataError, match=r"7 patients are in .*“p4” \(train, test\) and 2 more\."):
        prove_disjoint(samples)
