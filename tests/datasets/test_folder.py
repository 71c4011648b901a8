from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imil.core.records import Split
from imil.datasets.choices import Choices
from imil.datasets.folder import read_folder
from imil.datasets.listing import Listing, Skipped
from imil.errors import DataError

Save = Callable[..., Path]


def _reasons(listing: Listing) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in listing.report.skipped}


def _with_table(root: Path, save_image: Save, table: str, images: str = "abcd") -> Path:
    for name in images:
        save_image(root / f"{name}.png")
    root.mkdir(exist_ok=True)
    (root / "metadata.csv").write_text(table, "utf-8")
    return root


def test_class_folders_are_the_labels(class_folders: Path) -> None:
    listing = read_folder(class_folders)

    assert listing.name == "films"
    assert listing.classes == ("healthy", "sick")
    assert listing.report.taken == 20
    assert listing.report.skipped == ()
    first = listing.entries[0]
    assert (first.sample_id, first.label, first.split) == ("healthy/0.png", "healthy", None)
    assert (first.grey, first.width, first.height) == (True, 6, 4)
    assert first.file == class_folders / "healthy" / "0.png"


def test_folders_below_a_class_folder_belong_to_it(class_folders: Path, save_image: Save) -> None:
    save_image(class_folders / "sick" / "site A" / "visit 2" / "x.JPG")

    listing = read_folder(class_folders)

    assert listing.entries[-1].sample_id == "sick/site A/visit 2/x.JPG"
    assert listing.entries[-1].label == "sick"


def test_a_single_folder_around_it_all_is_looked_through(
    class_folders: Path, save_image: Save
) -> None:
    outer = class_folders.parent
    save_image(outer / "__MACOSX" / "films" / "._0.png")
    (outer / "readme.txt").write_text("hello")

    listing = read_folder(outer)

    assert listing.root == class_folders
    assert listing.entries[0].sample_id == "healthy/0.png"
    assert _reasons(listing) == {
        "readme.txt": "By its name it is not a PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI "
        "image."
    }


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("Training", "val", "testing")])
def test_split_folders_are_ready_splits(
    tmp_path: Path, save_image: Save, names: tuple[str, ...]
) -> None:
    for name in names:
        for label in ("a", "b"):
            save_image(tmp_path / name / label / "1.png")

    listing = read_folder(tmp_path)

    assert {entry.sample_id: entry.split for entry in listing.entries} == {
        f"{name}/{label}/1.png": split
        for name, split in zip(names, Split, strict=True)
        for label in ("a", "b")
    }
    assert "split: by folders: test 2, train 2, validation 2." in listing.report.notes


def test_a_class_may_be_named_like_a_split(tmp_path: Path, save_image: Save) -> None:
    for label in ("control", "test"):
        for number in range(2):
            save_image(tmp_path / label / f"{number}.png")

    assert read_folder(tmp_path).classes == ("control", "test")


def test_a_table_gives_label_patient_group_and_reference_mask(
    tmp_path: Path, save_image: Save
) -> None:
    _with_table(
        tmp_path,
        save_image,
        "file_name,label,patient_id,group,relevant_file_name,age\n"
        "a.png,sick,p1,site A,relevant/a.png,40\n"
        "b.png,sick,,,,\nc.png,well,,,,\nd.png,well,,,,\n",
    )
    mask = save_image(tmp_path / "relevant" / "a.png", value=255)

    listing = read_folder(tmp_path)

    a, b = listing.entries[:2]
    assert (a.label, a.patient, a.group, a.relevant_file) == ("sick", "p1", "site A", mask)
    assert (b.label, b.patient, b.group, b.relevant_file) == ("sick", None, None, None)
    assert listing.report.skipped == ()


def test_each_split_may_have_a_table(tmp_path: Path, save_image: Save) -> None:
    for split in Split:
        _with_table(
            tmp_path / split,
            save_image,
            "file_name,label\nimages/a.png,sick\nimages\\b.png,well\n",
            images="",
        )
        for name in "ab":
            save_image(tmp_path / split / "images" / f"{name}.png")

    listing = read_folder(tmp_path)

    assert len(listing.entries) == 6
    assert listing.entries[0].sample_id == "test/images/a.png"
    assert listing.entries[0].split is Split.TEST


def test_one_table_above_the_split_folders_names_them(tmp_path: Path, save_image: Save) -> None:
    for split in Split:
        save_image(tmp_path / split / "a.png")
        save_image(tmp_path / split / "b.png")
    rows = [f"{split}/{n}.png,{label}" for split in Split for n, label in ("ax", "by")]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))

    listing = read_folder(tmp_path)

    assert {entry.split for entry in listing.entries} == set(Split)


def test_a_table_without_labels_adds_patients_to_class_folders(
    class_folders: Path,
) -> None:
    rows = [f"{label}/{n}.png,p{n}" for label in ("healthy", "sick") for n in range(10)]
    (class_folders / "metadata.csv").write_text("\n".join(["file_name,patient_id", *rows]))

    listing = read_folder(class_folders)

    assert (listing.entries[3].label, listing.entries[3].patient) == ("healthy", "p3")


def test_each_bad_row_is_skipped_with_its_reason(tmp_path: Path, save_image: Save) -> None:
    save_image(tmp_path / "m" / "small.png", size=(3, 3))
    save_image(tmp_path / "unnamed.png")
    _with_table(
        tmp_path,
        save_image,
        "file_name,label,relevant_file_name\n"
        "a.png,sick,m/small.png\nb.png,sick,m/none.png\nc.png,well,\nd.png,well,metadata.csv\n"
        "e.png,,\nf.png,sick,\nf.png,well,\na.png,sick,\ngone.png,sick,\n,sick,\n"
        "../outside.png,sick,\n/etc/passwd,sick,\n",
        images="abcdef",
    )

    listing = read_folder(tmp_path)

    assert [entry.sample_id for entry in listing.entries] == ["a.png", "b.png", "c.png", "d.png"]
    assert all(entry.relevant_file is None for entry in listing.entries)
    assert _reasons(listing) == {
        "m/small.png": "The mask has 3 × 3 pixels, its image 6 × 4.",
        "metadata.csv, line 3": "The mask “m/none.png” is not there.",
        "metadata.csv, line 5": "The mask “metadata.csv” is not there.",
        "e.png": "Its cell of “label” is empty or says that nothing is known.",
        "f.png": "It is named more than once, with different labels.",
        "metadata.csv, line 10": "“gone.png” is not there.",
        "metadata.csv, line 11": "No file_name.",
        "metadata.csv, line 12": "“../outside.png” is not there.",
        "metadata.csv, line 13": "“/etc/passwd” is not there.",
        "unnamed.png": "No table names it, or what it says is no label.",
    }


def test_an_image_that_train_and_test_name_is_only_tested_on(
    tmp_path: Path, save_image: Save
) -> None:
    for name in "abcd":
        save_image(tmp_path / "pool" / f"{name}.png")
    rows = {"train": ("a", "b", "c", "d"), "test": ("a",)}
    for split, names in rows.items():
        (tmp_path / split).mkdir()
        lines = [f"../pool/{name}.png,{'x' if name in 'ab' else 'y'}" for name in names]
        (tmp_path / split / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    save_image(tmp_path / "pool" / "unnamed.png")

    listing = read_folder(tmp_path, positive="y")

    assert [entry.split for entry in listing.entries] == [Split.TEST, *[Split.TRAIN] * 3]
    assert _reasons(listing) == {
        "pool/unnamed.png": "No table names it, or what it says is no label.",
    }


def test_stray_files_are_skipped_with_a_reason(class_folders: Path, save_image: Save) -> None:
    for name in (".DS_Store", "sick/Thumbs.db", "sick/.hidden.png", "desktop.ini"):
        (class_folders / name).write_bytes(b"x")
    for name in ("notes.txt", "labels.csv", "sick/film.dcm", "sick/page.html"):
        (class_folders / name).write_bytes(b"x")
    save_image(class_folders / "loose.png")

    listing = read_folder(class_folders)

    assert listing.report.taken == 20
    assert "4 hidden or system files were left out." in listing.report.notes
    no_image = "By its name it is not a PNG, JPEG, TIFF, BMP, WebP, GIF, DICOM or NIfTI image."
    assert _reasons(listing) == {
        "notes.txt": no_image,
        "labels.csv": "No column of it names the images, or it is not read.",
        "loose.png": "It lies in no class folder, and no table names it.",
        "sick/film.dcm": ("It does not begin as a DICOM file does."),
        "sick/page.html": no_image,
    }


def test_beside_split_folders_nothing_is_taken(tmp_path: Path, save_image: Save) -> None:
    for name in ("train/a/1", "train/a/2", "train/b/1", "train/b/2", "extra/a/1", "loose"):
        save_image(tmp_path / f"{name}.png")

    listing = read_folder(tmp_path)

    assert len(listing.entries) == 4
    assert _reasons(listing) == {
        "extra/a/1.png": "It lies outside of the split folders.",
        "loose.png": "It lies outside of the split folders.",
    }


def test_damaged_images_are_skipped_and_the_rest_taken(class_folders: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    cut = class_folders / "sick" / "cut.png"
    Image.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:600])
    (class_folders / "sick" / "svg.png").write_text("<svg/>")

    listing = read_folder(class_folders)

    assert listing.report.taken == 20
    assert _reasons(listing) == {
        "sick/cut.png": "The file is damaged or ends too early.",
        "sick/svg.png": "It is an SVG drawing, not pixels.",
    }


def test_a_mask_that_cannot_be_opened_leaves_its_image(tmp_path: Path, save_image: Save) -> None:
    (tmp_path / "m.png").write_bytes(b"")
    _with_table(
        tmp_path,
        save_image,
        "file_name,label,relevant_file_name\na.png,x,m.png\nb.png,x,\nc.png,y,\nd.png,y,\n",
    )

    listing = read_folder(tmp_path)

    assert len(listing.entries) == 4
    assert _reasons(listing) == {"m.png": "The file is empty."}


def test_links_that_go_round_or_nowhere_do_no_harm(class_folders: Path) -> None:
    (class_folders / "sick" / "loop").symlink_to(class_folders, target_is_directory=True)
    (class_folders / "sick" / "nowhere.png").symlink_to(class_folders / "gone.png")
    os.mkfifo(class_folders / "sick" / "pipe.png")

    listing = read_folder(class_folders)

    assert listing.report.taken == 20
    assert set(_reasons(listing)) == {"sick/nowhere.png", "sick/pipe.png"}
    assert set(_reasons(listing).values()) == {
        "It is no ordinary file, or a link that leads nowhere."
    }


def test_names_are_unicode_in_one_spelling(class_folders: Path, save_image: Save) -> None:
    apart = unicodedata.normalize("NFD", "ä.png")
    save_image(class_folders / "sick" / apart)
    save_image(class_folders / "sick" / unicodedata.normalize("NFC", "ä.png"))
    broken = os.fsencode(class_folders / "sick" / "x") + b"\xff.png"
    Path(os.fsdecode(broken)).write_bytes(b"x")

    listing = read_folder(class_folders)

    assert listing.entries[-1].sample_id == "sick/ä.png"
    assert _reasons(listing) == {
        "sick/ä.png": "Another file has the same name, spelled with other Unicode characters.",
        "sick/x?.png": "Its name is not valid Unicode.",
    }


def test_what_was_skipped_before_comes_first_and_progress_is_told(class_folders: Path) -> None:
    told: list[tuple[int, int]] = []
    (class_folders / "notes.txt").write_text("x")
    before = Skipped("inner.zip", "An archive inside the zip is not unpacked.")

    listing = read_folder(
        class_folders,
        name="mine",
        also_skipped=[before],
        on_progress=lambda done, total: told.append((done, total)),
    )

    assert listing.name == "mine"
    assert listing.report.skipped[0] == before
    assert len(listing.report.skipped) == 2
    assert told == [(done, 20) for done in range(1, 21)]


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no folder “gone”\..*Check the folder's path\."):
        read_folder(tmp_path / "gone")


def test_a_class_with_one_image_may_be_among_the_rest(
    class_folders: Path, save_image: Save
) -> None:
    save_image(class_folders / "rare" / "1.png")

    assert read_folder(class_folders, positive="sick").task_classes == ("not sick", "sick")


def test_an_unknown_positive_label_is_refused(class_folders: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"There is no class “melanoma”\. The classes are healthy, sick\. Name one of them",
    ):
        read_folder(class_folders, positive="melanoma")


def test_a_test_folder_without_labels_is_told_and_no_test_set(
    tmp_path: Path, save_image: Save
) -> None:
    for name in ("train/a/1", "train/a/2", "train/b/1", "train/b/2", "test/1", "test/2"):
        save_image(tmp_path / f"{name}.png")

    listing = read_folder(tmp_path)

    assert {entry.split for entry in listing.entries} == {None}
    assert set(_reasons(listing)) == {"test/1.png", "test/2.png"}
    assert any(note.startswith("split: all images with a label") for note in listing.report.notes)


def test_a_test_set_of_damaged_images_is_refused(tmp_path: Path, save_image: Save) -> None:
    for name in ("a/1", "a/2", "b/1", "b/2"):
        save_image(tmp_path / "train" / f"{name}.png")
    for label in "ab":
        (tmp_path / "test" / label).mkdir(parents=True)
        (tmp_path / "test" / label / "1.png").write_bytes(b"")

    with pytest.raises(DataError, match=r"The test set is empty\..*none of them can be read"):
        read_folder(tmp_path)


def test_an_open_question_is_refused_with_the_answer_that_mends_it(
    tmp_path: Path, save_image: Save
) -> None:
    for number in range(8):
        save_image(tmp_path / f"film{number:03}_{number % 2}.png", value=number)

    with pytest.raises(DataError, match="--answer “label=file name part 1 from its end”"):
        read_folder(tmp_path)

    choices = Choices(answers=(("label", "file name part 1 from its end"),))
    assert read_folder(tmp_path, choices=choices).classes == ("0", "1")
