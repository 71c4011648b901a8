"""Layouts that people really have, each made here: what is told of them, and what is asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import product

import pytest

from imil.datasets.layout.layout import Listed, read_layout
from imil.datasets.layout.reading import Reading
from imil.datasets.tables.table import Grid
from imil.errors import DataError

Case = tuple[tuple[str, ...], Mapping[str, Grid]]


def grid(header: str, *rows: str) -> Grid:
    """Return a table of comma-separated cells."""
    cells = (tuple(row.split(",")) for row in rows)
    return Grid(tuple(header.split(",")), tuple(enumerate(cells, start=2)))


def reading(
    images: tuple[str, ...] | list[str],
    tables: Mapping[str, Grid] | None = None,
    *,
    flat: Callable[[str], bool | None] = lambda _: None,
    digest: Callable[[str], object] = lambda name: name,
    **answers: str,
) -> Reading:
    """Read a layout of names alone."""
    return read_layout(Listed(tuple(images), tables or {}, flat=flat, digest=digest), answers)


def labels(found: Reading) -> dict[str, str]:
    """Return the label of each image; nothing may be open."""
    assert [question.id for question in found.open] == []
    return {image.file: image.label for image in found.images}


def numbered(pattern: str, count: int = 12) -> list[str]:
    """Return names with “{}” filled in."""
    return [pattern.format(n) for n in range(count)]


def binary(count: int = 12) -> list[str]:
    """Return names of two class folders."""
    return [f"{label}/{n}.png" for label in ("benign", "malignant") for n in range(count)]


# ---- masks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("set/{c}/{c} ({n}).png", "set/{c}/{c} ({n})_mask.png"),
        ("set/{c}/images/{c}-{n}.png", "set/{c}/masks/{c}-{n}.png"),
        ("set/{c}/{n}_x.jpg", "masks/{c}/{n}_x_segmentation.png"),
        ("set/{c}/{n}{c}.png", "set/{c}/mask_{n}{c}.png"),
    ],
)
def test_masks_are_told_by_word_and_partner_and_belong_to_their_images(
    image: str, mask: str
) -> None:
    pairs = {
        image.format(c=c, n=n): mask.format(c=c, n=n) for c in ("benign", "cyst") for n in range(9)
    }

    found = reading([*pairs, *pairs.values()])

    assert labels(found) == {name: name.split("/")[1] for name in pairs}
    assert {m.of: m.file for m in found.masks} == pairs
    assert any("masks" in sentence for sentence in found.evidence)


def test_masks_without_a_word_are_told_by_two_values_and_partners() -> None:
    images = [f"{folder}/{n}_{c}.png" for folder in ("a", "b") for c in "xy" for n in range(9)]

    found = reading(
        images, flat=lambda name: name.startswith("b/"), label="file name part 1 from its end"
    )

    assert {mask.file for mask in found.masks} == {n for n in images if n.startswith("b/")}


def test_classes_named_for_masks_are_no_masks() -> None:
    images = [f"{c}/{n}_{c}.png" for c in ("with_mask", "without_mask") for n in range(9)]

    assert set(labels(reading(images)).values()) == {"with_mask", "without_mask"}
    assert reading(images, flat=lambda _: False).masks == ()


def test_a_folder_of_two_values_without_partners_is_asked_about() -> None:
    images = binary(9)

    found = reading(images, flat=lambda name: name.startswith("benign"))

    assert [question.id for question in found.open] == ["masks"]
    assert len(labels(reading(images, flat=lambda n: n[0] == "b", masks="images"))) == 18


# ---- copies and variants -----------------------------------------------------------------------


def test_nested_copies_are_taken_once_and_told() -> None:
    once = [f"set/{name}" for name in binary()]
    twice = [f"set/set/{name.removeprefix('set/')}" for name in once]

    found = reading([*once, *twice], digest=lambda name: name.rpartition("set/")[2])

    assert set(labels(found)) == set(once)
    assert {left.file for left in found.left_out} == set(twice)
    assert any(sentence.startswith("copies: 24") for sentence in found.evidence)


def test_one_image_under_two_labels_is_no_copy() -> None:
    images = [f"{c}/{n}.png" for c in ("benign", "malignant") for n in range(9)]

    assert len(reading(images, digest=lambda name: name.rpartition("/")[2]).images) == 18


@pytest.mark.parametrize("made", ["Augmented", "films_cropped"])
def test_of_images_and_what_was_made_of_them_the_former_are_taken(made: str) -> None:
    own = [f"Original/{name}" for name in binary()]

    found = reading([*own, *(f"{made}/{name}" for name in binary())])

    assert set(labels(found)) == set(own)
    everything = reading([*own, *(f"{made}/{name}" for name in binary())], variant="all")
    assert len(everything.images) == 48


# ---- labels of folders and names ---------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "{c}/{n}.png",
        "set/images/{c}/{n}.png",
        "organ_sets/{c}/{n}.png",
        "{c}/patient{p:03}/study1/{n}.png",
        "part_{p}/{c}/{n}.png",
        "class {c}/{n}.png",
    ],
)
@pytest.mark.parametrize("kinds", [("benign", "malignant"), ("CNV", "DME")])
def test_the_level_of_the_labels_is_found(pattern: str, kinds: tuple[str, str]) -> None:
    check_level(pattern, kinds)


def test_words_of_findings_tell_which_part_of_a_folders_name_is_the_label() -> None:
    check_level("patient{p:03}/study1_{c}/{n}.png", ("benign", "malignant"))


def check_level(pattern: str, kinds: tuple[str, str]) -> None:
    images = {
        pattern.format(c=c, n=n, p=n // 2 + 6 * k): c
        for k, c in enumerate(kinds)
        for n in range(12)
    }

    found = labels(reading(list(images)))

    assert {(images[name], label.replace("class ", "")) for name, label in found.items()} == {
        (c, c) for c in kinds
    }


def test_two_plausible_levels_are_one_question() -> None:
    images = [
        f"{a}/{b}/{n}.png"
        for a, bs in (("colon", "pq"), ("lung", "rst"))
        for b in bs
        for n in range(8)
    ]

    found = reading(images)

    assert [question.id for question in found.open] == ["label"]
    assert found.open[0].choices[:2] == ("folder level 2", "folder level 1")
    assert set(reading(images, label="folder level 1").classes) == {"colon", "lung"}


def test_parts_and_sites_are_no_classes() -> None:
    images = [f"images_{n % 3:03}/images/{n:05}.png" for n in range(30)]
    table = grid("Image Index,Finding Labels", *(f"{n:05}.png,{'AB'[n % 2]}" for n in range(30)))

    assert set(labels(reading(images, {"entry.csv": table})).values()) == {"A", "B"}
    assert reading(images).images == ()


def test_labels_in_file_names_are_asked_about_unless_they_are_words_of_findings() -> None:
    numbers, findings = numbered("all/f{0:04}_{0}.png", 10), []
    findings = [f"all/{'normal' if n % 2 else 'sick'}_{n:04}.png" for n in range(20)]
    numbers = [f"all/f{n:04}_{n % 2}.png" for n in range(20)]

    assert set(labels(reading(findings)).values()) == {"normal", "sick"}
    assert [question.id for question in reading(numbers).open] == ["label"]


def test_a_folder_of_unlabelled_images_is_no_class() -> None:
    found = reading([*binary(), *numbered("no_label/{}.png")])

    assert set(labels(found).values()) == {"benign", "malignant"}
    assert len(found.left_out) == 12


# ---- tables ------------------------------------------------------------------------------------


def rows(cell: str = "{n:04}.png", count: int = 12) -> list[str]:
    """Return rows of a name and a label."""
    return [f"{cell.format(n=n)},{('sick', 'well')[n % 2]}" for n in range(count)]


@pytest.mark.parametrize(
    ("file", "cell"),
    [
        ("images/{n:04}.png", "{n:04}.png"),
        ("images/{n:04}.png", "{n:04}"),
        ("images/{n:04}.png", "{n}"),
        ("images/{n:04}.png", "{n}.0"),
        ("images/{n:04}.jpg", "{n:04}.png"),
        ("images/f{n:04}.PNG", "F{n:04}.png"),
        ("images/{n:04}/view.png", "set-v1/images/{n:04}/view.png"),
        ("images/f{n:04}.png", "/data/upload/1/1f0e3dad-f{n:04}.png"),
        ("images/f{n:04}.png", "C:\\export\\f{n:04}.png"),
        ("images/P{n:04}/view.png", "P{n:04}"),
        ("images/P{n:04}_left.png", "P{n:04}"),
    ],
)
@pytest.mark.parametrize("column", ["label", "Befund", "dx", "level", "diagnostic", "zzz"])
def test_a_cell_means_its_file_however_it_is_written(file: str, cell: str, column: str) -> None:
    images = {file.format(n=n): ("sick", "well")[n % 2] for n in range(12)}

    found = reading(list(images), {"t.csv": grid(f"name,{column}", *rows(cell))})

    assert labels(found) == images


def test_one_table_a_split_and_one_of_patients_are_joined() -> None:
    images = [f"{split}/{n:04}.png" for split in ("train", "valid", "test") for n in range(12)]
    own = {f"{split}.csv": grid("file,finding", *rows()) for split in ("train", "valid", "test")}
    patients = grid(
        "file,patient_id", *(f"{name},p{name[:-8]}{k % 6}" for k, name in enumerate(images))
    )

    found = reading(images, {**own, "patients.csv": patients})

    assert len(labels(found)) == 36
    assert {i.split for i in found.images} == {"train", "validation", "test"}
    assert len({i.patient for i in found.images}) == 18


def test_columns_of_0_and_1_are_classes_where_one_holds_and_a_question_where_several_do() -> None:
    images = numbered("i/{:04}.png")
    one = grid("image,MEL,NV", *(f"{n:04},{int(n % 2 == 0)}.0,{n % 2}.0" for n in range(12)))
    several = grid("image,Edema,Mass", *(f"{n:04},{(n // 2) % 2},{n % 2}" for n in range(12)))

    assert set(labels(reading(images, {"t.csv": one})).values()) == {"MEL", "NV"}
    assert [question.id for question in reading(images, {"t.csv": several}).open] == ["label"]
    picked = reading(images, {"t.csv": several}, label="column Mass")
    assert dict(picked.classes) == {"0": 6, "1": 6}


def test_uncertain_findings_are_left_out_and_blank_ones_are_negative() -> None:
    cells = ["1.0", "", "0.0", "-1.0"]
    table = grid("Path,Edema,Mass", *(f"{n:04}.png,{cells[n % 4]},1.0" for n in range(12)))

    found = reading(numbered("{:04}.png"), {"t.csv": table}, label="column Edema")

    assert dict(found.classes) == {"0.0": 6, "1.0": 3}
    assert {left.why for left in found.left_out} == {"“Edema” is uncertain (−1) for it."}


def test_several_labels_in_a_cell_are_told_and_one_can_be_set_against_the_rest() -> None:
    cells = ["A", "B", "A|B"]
    table = grid("image,Labels", *(f"{n:04}.png,{cells[n % 3]}" for n in range(12)))

    together = reading(numbered("{:04}.png"), {"t.csv": table})
    one = reading(numbered("{:04}.png"), {"t.csv": table}, several="A")

    assert dict(together.classes) == {"A": 4, "A|B": 4, "B": 4}
    assert any("several labels" in sentence for sentence in together.evidence)
    assert dict(one.classes) == {"A": 8, "not A": 4}


def test_rows_of_readers_are_pooled_by_most_and_boxes_by_all() -> None:
    images = numbered("{:04}.png")
    readers = [
        f"{n:04},R{r},{('sick', 'well')[n % 2 if r < 2 else 0]}"
        for n in range(12)
        for r in range(3)
    ]
    boxes = [f"{n:04},{c},1,2" for n in range(12) for c in ("AB" if n % 2 else "A")]

    pooled = reading(images, {"t.csv": grid("image,rad_id,class_name", *readers)})
    boxed = reading(images, {"t.csv": grid("image,class_name,x_min,y_min", *boxes)})

    assert dict(pooled.classes) == {"sick": 6, "well": 6}
    assert dict(boxed.classes) == {"A": 6, "A|B": 6}
    assert any("most readers" in sentence for sentence in pooled.evidence)


def test_spellings_of_a_label_are_one_and_unknown_ones_none() -> None:
    cells = ["benign", "Benign", "malignant", "MALIGNANT ", "nan", ""]
    table = grid("image,label", *(f"{n:04}.png,{cells[n % 6]}" for n in range(24)))

    found = reading(numbered("{:04}.png", 24), {"t.csv": table})

    assert sorted(label.lower().strip() for label in found.classes) == ["benign", "malignant"]
    assert len(found.left_out) == 8
    assert any("is also spelled" in sentence for sentence in found.evidence)


def test_a_table_of_something_else_takes_nothing_over() -> None:
    table = grid("image,sharpness", *(f"{n}.png,{12.5 + n}" for n in range(5)))

    assert len(labels(reading(binary(), {"quality.csv": table}))) == 24


def test_predictions_of_unlabelled_images_are_no_labels() -> None:
    images = [*numbered("train/{:04}.png"), *numbered("test/9{:04}.png", 4)]
    guesses = grid("id,label", *(f"9{n:04},sick" for n in range(4)))

    found = reading(
        images, {"train.csv": grid("id,label", *rows("{n:04}")), "s_submission.csv": guesses}
    )

    assert len(labels(found)) == 12
    assert {image.split for image in found.images} == {None}


def test_two_columns_of_labels_are_one_question_unless_they_say_the_same() -> None:
    other = [f"{n:04}.png,{('sick', 'well')[n % 2]},{'abc'[n % 3]}" for n in range(12)]
    equal = [f"{n:04}.png,{('sick', 'well')[n % 2]},{n % 2}" for n in range(12)]

    asked = reading(numbered("{:04}.png"), {"t.csv": grid("image,diagnosis,class", *other)})
    told = reading(numbered("{:04}.png"), {"t.csv": grid("image,diagnosis,target", *equal)})

    assert [question.id for question in asked.open] == ["label"]
    assert set(labels(told).values()) == {"sick", "well"}


def test_a_measure_or_a_sex_is_not_taken_for_the_label() -> None:
    table = grid("id,age,male", *(f"{n:04},{24 + 6 * n},{n % 2 == 0}" for n in range(20)))

    found = reading(numbered("{:04}.png", 20), {"t.csv": table})

    assert [question.id for question in found.open] == ["label"]
    assert found.open[0].choices == ("column male", "column age")


def test_a_table_without_header_is_read() -> None:
    images = numbered("train/{:04}.png")
    listed = grid(
        "0,0000.png,sick,x", *(f"{n},{n:04}.png,{('sick', 'well')[n % 2]},x" for n in range(1, 12))
    )

    assert set(labels(reading(images, {"train.txt": listed})).values()) == {"sick", "well"}


# ---- splits and patients -----------------------------------------------------------------------


def test_patients_in_train_and_test_are_asked_about() -> None:
    images = [
        f"{split}/{c}/{c}-{10000 + n}-{k}{split[:2]}.png"
        for split, c, n, k in product(("train", "test"), ("CNV", "DME"), range(5), range(2))
    ]

    found = reading(images)

    assert [question.id for question in found.open] == ["patient"]
    assert any("5 of 5 have images in two splits" in sentence for sentence in found.evidence)
    assert len(labels(reading(images, patient="none"))) == 40
    assert {i.split for i in reading(images, patient="none", split="none").images} == {None}


@pytest.mark.parametrize("nobody", ["nan", "Unknown", "", "None", "n/a", "?", "-"])
def test_unknown_patients_are_nobody(nobody: str) -> None:
    table = grid(
        "image,label,patient", *(f"{r},{'p1' if k == 3 else nobody}" for k, r in enumerate(rows()))
    )

    found = reading(numbered("{:04}.png"), {"t.csv": table})

    assert [image.patient for image in found.images].count(None) == 11


@pytest.mark.parametrize("moved", [0, 1])
def test_names_that_tell_the_classes_are_no_patients(moved: int) -> None:
    # Twelve classes of ten images, as named; a few are labelled otherwise.
    images = [f"kind{n % 12:02}_{n}.png" for n in range(120)]
    dx = [f"c{(n + (n < moved)) % 12:02}" for n in range(120)]
    table = grid("image,dx", *(f"{name},{label}" for name, label in zip(images, dx, strict=True)))

    found = reading(images, {"t.csv": table})

    offered = {choice for q in found.questions if q.id == "patient" for choice in q.choices}
    assert not any(choice.startswith("file name") for choice in offered)


# ---- what never changes it ---------------------------------------------------------------------


def test_neither_order_nor_case_of_names_changes_the_reading() -> None:
    images = [*binary(), *numbered("benign/{}_mask.png")]
    table = grid("image,dx", *(f"{name},{name[:3]}" for name in binary()))
    tables = {"a.csv": table, "b.csv": grid("x,y", "1,2")}
    shuffled = images.copy()
    random.Random(3).shuffle(shuffled)

    first = reading(images, tables)
    second = reading(shuffled, dict(reversed(tables.items())))
    upper = reading([name.upper() for name in images], tables)

    assert first == second
    assert [i.file for i in upper.images] == [i.file.upper() for i in first.images]


def test_answers_that_fit_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="answers no question “label”"):
        reading(binary(), label="column dx")
    with pytest.raises(DataError, match="There is no question “colour”"):
        reading(binary(), colour="red")
