from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.core.records import Split
from imil.datasets.deidentify import deidentify_study
from imil.datasets.folder import read_folder
from imil.datasets.listing import (
    Entry,
    ImportReport,
    Listing,
    image_set,
    listing_from_json,
    listing_to_json,
    with_splits,
)
from imil.errors import DataError, StoreError


def _listing(root: Path, rows: Sequence[tuple[str, Split | None, str | None]]) -> Listing:
    """A listing of (label, split, patient) whose files are never opened."""
    entries = tuple(
        Entry(f"{n:03}.png", root / f"{n:03}.png", label, split, patient, None, None, True, 4, 4)
        for n, (label, split, patient) in enumerate(rows)
    )
    classes = tuple(sorted({label for label, _, _ in rows}))
    return Listing("films", root, classes, None, entries, ImportReport(len(entries)))


def test_without_ready_splits_the_app_makes_them(tmp_path: Path) -> None:
    listing = _listing(tmp_path, [(label, None, None) for label in "ab" * 50])

    split = with_splits(listing, seed=1)

    assert Counter(entry.split for entry in split.entries) == {
        Split.TRAIN: 70,
        Split.VALIDATION: 10,
        Split.TEST: 20,
    }
    assert split.report.notes == ("Train, validation and test were made by the app, with seed 1.",)
    assert split == with_splits(listing, seed=1)
    assert split == with_splits(split, seed=2)


def test_training_images_alone_are_split_in_three(tmp_path: Path) -> None:
    listing = _listing(tmp_path, [(label, Split.TRAIN, None) for label in "ab" * 10])

    assert {entry.split for entry in with_splits(listing).entries} == set(Split)


@pytest.mark.parametrize(
    ("ready", "missing"), [(Split.TEST, Split.VALIDATION), (Split.VALIDATION, Split.TEST)]
)
def test_a_missing_split_is_taken_out_of_train(
    tmp_path: Path, ready: Split, missing: Split
) -> None:
    rows = [(label, Split.TRAIN, None) for label in "ab" * 20]
    rows += [(label, ready, None) for label in "ab" * 2]
    listing = _listing(tmp_path, rows)

    split = with_splits(listing)

    assert [entry.split for entry in split.entries[40:]] == [ready] * 4
    assert {entry.split for entry in split.entries[:40]} == {Split.TRAIN, missing}
    assert split.report.notes == (
        f"The {missing} images were taken out of train by the app, with seed 0.",
    )


def test_a_class_missing_from_a_ready_split_is_refused(tmp_path: Path) -> None:
    rows = [(label, split, None) for split in Split for label in "ab"][:-1]

    with pytest.raises(DataError, match="“b” has no test image"):
        image_set(_listing(tmp_path, rows))


def test_a_patient_in_two_ready_splits_is_refused(tmp_path: Path) -> None:
    rows = [(label, split, "p") for split in Split for label in "ab"]

    with pytest.raises(DataError, match="1 patient is in more than one split"):
        image_set(_listing(tmp_path, rows))


def test_the_set_reads_pixels_when_asked(class_folders: Path) -> None:
    images, proof = image_set(read_folder(class_folders))

    assert images.classes == ("healthy", "sick")
    assert len(images) == 20
    assert images.channels == 1
    assert images.original("sick/7.png").tolist() == [[7] * 6] * 4
    assert images.reference_relevant("sick/7.png") is None
    assert str(proof).startswith("Patients unknown. 20 images have no patient id")


def test_one_colour_image_makes_three_channels(class_folders: Path) -> None:
    Image.new("RGB", (6, 4)).save(class_folders / "sick" / "colour.png")

    assert image_set(read_folder(class_folders))[0].channels == 3


def test_a_file_that_went_missing_is_said_when_it_is_asked_for(class_folders: Path) -> None:
    images, _ = image_set(read_folder(class_folders))
    (class_folders / "sick" / "7.png").unlink()

    with pytest.raises(DataError, match=r"“7\.png” can't be read.*not there any more"):
        images.original("sick/7.png")


def test_reference_regions_are_read_for_those_that_have_one(tmp_path: Path) -> None:
    levels = np.array([[0, 255]], np.uint8)
    for name in "abcdefg":
        Image.fromarray(levels).save(tmp_path / f"{name}.png")
    rows = ["a.png,x,g.png", *(f"{n}.png,{'x' if n in 'bc' else 'y'}," for n in "bcdef")]
    table = "\n".join(["file_name,label,relevant_file_name", *rows])
    (tmp_path / "metadata.csv").write_text(table)

    images, _ = image_set(read_folder(tmp_path))

    relevant = images.reference_relevant("a.png")
    assert relevant is not None
    assert relevant.tolist() == [[False, True]]
    assert images.reference_relevant("b.png") is None


def test_a_positive_label_is_told_from_the_rest(tmp_path: Path) -> None:
    listing = _listing(tmp_path, [(label, split, None) for split in Split for label in "abc"])

    images, _ = image_set(replace(listing, positive="b"))

    assert images.classes == ("not b", "b")
    assert images.labels.tolist() == [0, 1, 0] * 3
    assert images.samples == image_set(listing)[0].one_against_rest("b").samples


def test_the_set_can_be_sent_to_another_process(class_folders: Path) -> None:
    images, _ = image_set(read_folder(class_folders))

    sent = pickle.loads(pickle.dumps(images))  # noqa: S301 - what was pickled a moment ago

    assert sent.original("sick/7.png").tolist() == [[7] * 6] * 4


def test_a_saved_listing_comes_back_equal(class_folders: Path) -> None:
    (class_folders / "ä “x”.txt").write_text("x")
    table = "file_name,label,relevant_file_name,patient_id,group\n" + "\n".join(
        f"{label}/{n}.png,{label},{label}/{n}.png,p{n % 9},site A"
        for label in ("healthy", "sick")
        for n in range(10)
    )
    (class_folders / "metadata.csv").write_text(table)
    listing = with_splits(read_folder(class_folders, positive="sick"), seed=3)

    text = listing_to_json(listing)

    assert listing_from_json(text, class_folders) == listing
    assert str(class_folders) not in text


def test_a_saved_listing_follows_its_folder(class_folders: Path) -> None:
    text = listing_to_json(read_folder(class_folders))
    moved = class_folders.rename(class_folders.with_name("moved"))

    images, _ = image_set(listing_from_json(text, moved))

    assert images.original("sick/1.png")[0, 0] == 1


@pytest.mark.parametrize(
    ("change", "value"),
    [("entries", None), ("entries", [{}]), ("skipped", [["x"]]), ("name", ...)],
)
def test_a_damaged_list_is_refused(tmp_path: Path, change: str, value: object) -> None:
    saved = json.loads(listing_to_json(_listing(tmp_path, [("a", None, None)])))
    if value is ...:
        del saved[change]
    else:
        saved[change] = value

    for text in (json.dumps(saved), json.dumps(saved)[:-9], "[]"):
        with pytest.raises(StoreError, match=r"damaged, or was changed by hand.*Bring the images"):
            listing_from_json(text, tmp_path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.png", "a/../../x.png"])
@pytest.mark.parametrize("field", ["file", "relevant_file"])
def test_a_list_that_leads_outside_is_refused(tmp_path: Path, field: str, name: str) -> None:
    saved = json.loads(listing_to_json(_listing(tmp_path, [("a", None, None)])))
    saved["entries"][0][field] = name

    with pytest.raises(StoreError, match="changed by hand"):
        listing_from_json(json.dumps(saved), tmp_path)


def test_a_list_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    saved = json.loads(listing_to_json(_listing(tmp_path, [("a", None, None)])))
    saved["schema_version"] = 2

    with pytest.raises(StoreError, match=r"has version 2\..*reads version 1\. Update the program"):
        listing_from_json(json.dumps(saved), tmp_path)


def test_reference_labels_survive_saving_and_follow_the_task(tmp_path: Path) -> None:
    listing = _listing(tmp_path, [(label, split, None) for split in Split for label in "abc" * 2])
    known = replace(
        listing,
        entries=tuple(replace(e, reference_label="b") for e in listing.entries[:2])
        + tuple(replace(e, reference_label="unheard of") for e in listing.entries[2:3])
        + listing.entries[3:],
    )
    first, second, third, fourth = (entry.sample_id for entry in known.entries[:4])

    images, _ = image_set(listing_from_json(listing_to_json(known), tmp_path))
    against, _ = image_set(replace(known, positive="a"))

    told = [images.reference_label(i) for i in (first, second, third, fourth)]
    assert told == [1, 1, None, None]
    assert against.reference_label(first) == 0


def test_a_list_saved_before_there_were_reference_labels_can_be_read(tmp_path: Path) -> None:
    listing = _listing(tmp_path, [(label, None, None) for label in "ab" * 50])
    saved = json.loads(listing_to_json(listing))
    for entry in saved["entries"]:
        del entry["reference_label"]

    assert listing_from_json(json.dumps(saved), tmp_path) == listing


def _film(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)


def _films(root: Path, classes: str, copies: int) -> None:
    """Ten films a class, of which the first is there `copies` times more."""
    for c, label in enumerate(classes):
        (root / label).mkdir(parents=True)
        for n in range(10 + copies):
            shown = _film(100 * c + (0 if n >= 10 else n))
            Image.fromarray(shown).save(root / label / f"{n:02}.png")


def test_near_duplicates_stay_together_where_the_app_makes_the_splits(tmp_path: Path) -> None:
    _films(tmp_path / "films", "ab", copies=6)

    listing = with_splits(read_folder(tmp_path / "films"))

    names = {f"a/{n:02}.png" for n in (0, *range(10, 16))}
    copied = {entry.split for entry in listing.entries if entry.sample_id in names}
    assert len(copied) == 1
    found = listing.report.twins
    assert found is not None
    assert (found.compared, found.across, found.kept) == (32, 0, 14)
    assert found.inside == 42


def test_near_duplicates_of_two_labels_are_told_with_them(tmp_path: Path) -> None:
    _films(tmp_path, "ab", copies=0)
    Image.fromarray(_film(3)[:, ::-1]).save(tmp_path / "b" / "copy.png")

    listing = with_splits(read_folder(tmp_path))

    told = [note for note in listing.report.notes if "different labels" in note]
    assert len(told) == 1
    assert "a and b (1), as “a/03.png” and “b/copy.png”" in told[0]
    unnamed = deidentify_study(listing, tmp_path / "unnamed", salt="s", seed=0)
    assert not any("png" in note for note in unnamed.report.notes)


def test_a_near_duplicate_of_a_test_image_leaves_the_training_set(tmp_path: Path) -> None:
    for split, first, films in (("train", 0, 12), ("validation", 50, 2), ("test", 70, 2)):
        for c, label in enumerate("ab"):
            (tmp_path / split / label).mkdir(parents=True)
            for n in range(films):
                shown = _film(1000 * c + first + n)
                Image.fromarray(shown).save(tmp_path / split / label / f"{n}.png")
    Image.fromarray(_film(1)).save(tmp_path / "test" / "a" / "copy.png")
    Image.fromarray(_film(1050)).save(tmp_path / "test" / "b" / "copy.png")

    listing = with_splits(read_folder(tmp_path))

    splits = {entry.sample_id: entry.split for entry in listing.entries}
    assert splits["train/a/1.png"] is Split.TEST
    assert splits["validation/b/0.png"] is Split.TEST
    assert splits["train/a/2.png"] is Split.TRAIN
    found = listing.report.twins
    assert found is not None
    assert (found.moved, found.across, found.inside) == (2, 0, 2)
    assert listing_from_json(listing_to_json(listing), tmp_path).report.twins == found


def test_where_patients_are_known_near_duplicates_are_told_and_not_moved(tmp_path: Path) -> None:
    rows = []
    for number in range(60):
        split = ("train", "train", "train", "train", "validation", "test")[number % 6]
        (tmp_path / split).mkdir(exist_ok=True)
        # The last one, which is tested on, is the first once more.
        shown = _film(0 if number == 59 else number)
        Image.fromarray(shown).save(tmp_path / split / f"{number}.png")
        rows.append(f"{split}/{number}.png,{'ab'[number // 6 % 2]},p{number}")
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label,patient_id", *rows]))

    listing = with_splits(read_folder(tmp_path))

    found = listing.report.twins
    assert found is not None
    assert (found.moved, found.across) == (0, 1)


def test_where_a_tenth_of_the_training_images_would_move_they_are_named_and_left(
    tmp_path: Path,
) -> None:
    for split, first in (("train", 0), ("validation", 50), ("test", 9)):
        for c, label in enumerate("ab"):
            (tmp_path / split / label).mkdir(parents=True)
            for n in range(3):
                shown = _film(1000 * c + first + n)
                Image.fromarray(shown).save(tmp_path / split / label / f"{n}.png")
    Image.fromarray(_film(1)).save(tmp_path / "test" / "a" / "1.png")

    listing = with_splits(read_folder(tmp_path))

    found = listing.report.twins
    assert found is not None
    assert (found.across, found.inside, found.kept) == (1, 0, 0)
    assert found.named == (("test/a/1.png", "train/a/1.png"),)
    assert listing_from_json(listing_to_json(listing), tmp_path).report.twins == found


def test_a_class_of_copies_is_split_all_the_same_and_told(tmp_path: Path) -> None:
    for label, seeds in (("a", range(10)), ("b", [77] * 10)):
        (tmp_path / label).mkdir()
        for n, seed in enumerate(seeds):
            Image.fromarray(_film(seed)).save(tmp_path / label / f"{n}.png")

    found = with_splits(read_folder(tmp_path)).report.twins

    assert found is not None
    assert found.across > 0
    assert found.kept == 0
