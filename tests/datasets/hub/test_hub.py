from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from imil.core.records import Split
from imil.datasets.choices import frame_alone
from imil.datasets.hub.process import HubRequest
from imil.datasets.hub.read import inspect_hub, parse_hub_id, read_hub
from imil.datasets.hub.rows import quotas, write_image
from imil.datasets.listing import BurntIn, image_set
from imil.errors import DataError
from tests.datasets.hub_sets import CARD, image_folder, parquet, picture, stored
from tests.standins.fakehub import TOKEN, FakeHub, Fault

# Each reads in a process of its own, which takes seconds to start.
reads = pytest.mark.slow


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        yield running


def put(hub: FakeHub, repo: str, files: dict[str, bytes], **options: bool) -> HubRequest:
    hub.put(repo, files, kind="datasets", **options)
    return HubRequest(repo)


def classed(n: int, *, first: int = 0) -> list[dict[str, object]]:
    return [{"image": picture(first + i), "label": i % 2} for i in range(n)]


@pytest.mark.parametrize(
    "written",
    [
        "hub:lab/films@v1",
        "lab/films@v1",
        " lab/films@v1 ",
        "https://hub.test/datasets/lab/films@v1",
    ],
)
def test_an_id_may_be_written_in_several_ways(written: str) -> None:
    assert parse_hub_id(written) == ("lab/films", "v1")


@pytest.mark.parametrize(
    "written", ["", "films", "lab/films/more", "lab/fi lms", "lab/films@", "../x/y"]
)
def test_what_is_no_id_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(DataError, match=r"owner/name"):
        parse_hub_id(written)


@reads
def test_an_image_folder_is_read_with_names_and_files_of_our_own(
    hub: FakeHub, tmp_path: Path
) -> None:
    asked = put(hub, "lab/films", image_folder(6))
    told: list[tuple[int, int]] = []

    listing, choice = read_hub(
        asked,
        tmp_path / "images",
        endpoint=hub.endpoint,
        on_progress=lambda done, total: told.append((done, total)),
    )

    assert listing.classes == ("a", "b")
    assert Counter(entry.label for entry in listing.entries) == {"a": 6, "b": 6}
    assert stored(tmp_path / "images") == [f"train/{n:06d}.png" for n in range(12)]
    assert "licence cc-by-4.0" in listing.report.notes[0]
    assert choice.licence == "cc-by-4.0"
    assert told[-1] == (12, 12)


@reads
def test_a_reading_does_not_wait_until_torch_is_imported(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    asked = put(hub, "lab/films", image_folder(6))

    listing, _ = read_hub(asked, tmp_path / "images", endpoint=hub.endpoint)

    assert len(listing.entries) == 12


@reads
def test_an_images_pixels_are_kept_and_all_else_in_its_file_is_not(
    hub: FakeHub, tmp_path: Path
) -> None:
    asked = put(hub, "lab/films", {"data/train.parquet": parquet(classed(12), names=["no", "yes"])})

    listing, _ = read_hub(asked, tmp_path / "images", endpoint=hub.endpoint)

    file = listing.entries[0].file
    with Image.open(file) as kept:
        assert not kept.getexif()
    assert b"Jane" not in file.read_bytes()
    images, _ = image_set(listing)
    shown = images.original(listing.entries[0].sample_id)
    first = np.random.default_rng(0).integers(0, 256, (24, 24), dtype=np.uint8)
    assert np.array_equal(shown, np.asarray(Image.fromarray(first).resize((48, 48))))


@reads
def test_ready_splits_stay_and_class_names_come_from_the_schema(
    hub: FakeHub, tmp_path: Path
) -> None:
    files = {
        f"data/{split}-00000.parquet": parquet(classed(8, first=100 * i), names=["no", "yes"])
        for i, split in enumerate(("train", "validation", "test"))
    }
    asked = put(hub, "lab/films", files)

    listing, _ = read_hub(asked, tmp_path / "images", endpoint=hub.endpoint)

    assert listing.classes == ("no", "yes")
    assert Counter(entry.split for entry in listing.entries) == dict.fromkeys(Split, 8)


@reads
def test_a_sample_keeps_the_shares_of_a_set_that_is_sorted_by_class(
    hub: FakeHub, tmp_path: Path
) -> None:
    rows = [
        {"image": picture(n), "label": "nevus" if n < 120 else "melanoma", "patient_id": f"p{n}"}
        for n in range(160)
    ]
    asked = replace(put(hub, "lab/skin", {"train.parquet": parquet(rows)}), limit=20)

    listing, choice = read_hub(asked, tmp_path / "images", endpoint=hub.endpoint)

    assert Counter(entry.label for entry in listing.entries) == {"nevus": 15, "melanoma": 12}
    assert listing.entries[0].patient == "p0"
    assert choice.patient == "patient_id"
    assert "A sample of 27 of 160 images" in listing.report.notes[1]


@reads
def test_what_there_is_to_choose_is_told_without_fetching_images(hub: FakeHub) -> None:
    files = {
        "README.md": (
            b"---\nlicense: mit\nconfigs:\n- config_name: small\n  data_files: small/*.parquet\n"
            b"- config_name: large\n  data_files: large/*.parquet\n---\n"
        ),
        "small/train.parquet": parquet(classed(6), names=["no", "yes"]),
        "large/train.parquet": parquet(classed(6), names=["no", "yes"]),
    }
    asked = put(hub, "lab/films", files)

    with pytest.raises(DataError, match=r"several configurations.*small, large.*Name one"):
        inspect_hub(asked, endpoint=hub.endpoint)
    choice = inspect_hub(replace(asked, config="small"), endpoint=hub.endpoint)

    assert choice.configs == ("small", "large")
    assert tuple(choice.splits) == ("train",)
    assert (choice.image, choice.label) == ("image", "label")


@reads
@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"README.md": CARD.encode(), "notes.bin": b"?"}, "has no images that can be read"),
        ({"train.csv": b"text,label\nhello,a\n"}, "of a kind that is not read: csv"),
        ({"train.parquet": parquet([{"image": b"", "label": "a"}], image="scan")[:40]}, "can't be"),
        (
            {"train.parquet": parquet([{"image": picture(1), "age": 0.5}])},
            r"has no label column\.",
        ),
    ],
    ids=["nothing", "a table of text", "cut off", "no labels"],
)
def test_a_set_that_can_not_be_used_says_why(
    hub: FakeHub, tmp_path: Path, files: dict[str, bytes], sentence: str
) -> None:
    asked = put(hub, "lab/films", files)

    with pytest.raises(DataError, match=sentence):
        read_hub(asked, tmp_path / "images", endpoint=hub.endpoint)

    assert not (tmp_path / "images").exists()


@reads
def test_unknown_columns_and_splits_are_named_with_those_there_are(
    hub: FakeHub, tmp_path: Path
) -> None:
    asked = put(hub, "lab/films", {"train.parquet": parquet(classed(6), names=["no", "yes"])})

    with pytest.raises(DataError, match=r"no label column “dx”.*label"):
        inspect_hub(replace(asked, label="dx"), endpoint=hub.endpoint)
    with pytest.raises(DataError, match=r"no split “test”.*train"):
        read_hub(replace(asked, splits=("test",)), tmp_path / "i", endpoint=hub.endpoint)


@reads
def test_a_damaged_image_is_left_out_and_named(hub: FakeHub, tmp_path: Path) -> None:
    rows = classed(10)
    rows[3]["image"] = picture(3)[:60]
    asked = put(hub, "lab/films", {"train.parquet": parquet(rows, names=["no", "yes"])})

    listing, _ = read_hub(asked, tmp_path / "images", endpoint=hub.endpoint)

    assert len(listing.entries) == 9
    assert [skipped.name for skipped in listing.report.skipped] == ["row 3 of train"]
    assert not [name for name in stored(tmp_path / "images") if not name.endswith(".png")]


@reads
def test_a_row_that_names_a_file_elsewhere_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(1))
    rows = classed(6)
    made = parquet(rows, names=["no", "yes"], empty_path=str(secret))
    asked = put(hub, "lab/films", {"train.parquet": made})

    with pytest.raises(DataError, match="name files outside of the data set"):
        read_hub(asked, tmp_path / "images", endpoint=hub.endpoint)


@reads
def test_a_private_set_opens_with_the_visitors_token_and_not_with_the_machines(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    asked = put(hub, "lab/films", image_folder(3), private=True)

    with pytest.raises(DataError, match=r"no data set lab/films.*private"):
        read_hub(asked, tmp_path / "without", endpoint=hub.endpoint)
    listing, _ = read_hub(replace(asked, token=TOKEN), tmp_path / "with", endpoint=hub.endpoint)

    assert len(listing.entries) == 6
    assert TOKEN not in repr(replace(asked, token=TOKEN))


def test_a_gated_set_says_how_to_be_let_in(hub: FakeHub, tmp_path: Path) -> None:
    files = {"data/train.parquet": b"?"}
    asked = put(hub, "lab/films", files, gated=True)

    with pytest.raises(DataError, match=r"is gated.*Agree to the terms.*token"):
        read_hub(asked, tmp_path / "images", endpoint=hub.endpoint)


def test_a_missing_set_an_unknown_revision_and_a_wrong_token_are_told_apart(
    hub: FakeHub, tmp_path: Path
) -> None:
    asked = put(hub, "lab/films", {"README.md": CARD.encode()})
    into = tmp_path / "images"

    with pytest.raises(DataError, match=r"There is no data set lab/other on the Hub"):
        read_hub(HubRequest("lab/other"), into, endpoint=hub.endpoint)
    with pytest.raises(DataError, match=r"lab/films has no revision “v9”"):
        read_hub(replace(asked, revision="v9"), into, endpoint=hub.endpoint)
    with pytest.raises(DataError, match=r"does not know this token"):
        read_hub(replace(asked, token="x" + TOKEN), into, endpoint=hub.endpoint)
    with pytest.raises(DataError, match=r"0 images can't be fetched"):
        read_hub(replace(asked, limit=0), into, endpoint=hub.endpoint)


def test_a_hub_that_is_not_there_or_in_trouble_is_told_with_what_remains(
    hub: FakeHub, tmp_path: Path
) -> None:
    asked = put(hub, "lab/films", {"README.md": CARD.encode()})
    into = tmp_path / "images"
    hub.faults.append(Fault("GET /api/datasets", status=503))

    with pytest.raises(DataError, match=r"answered 503.*films and your own zip need no network"):
        read_hub(asked, into, endpoint=hub.endpoint)
    with pytest.raises(DataError, match=r"could not be reached"):
        read_hub(asked, into, endpoint="http://127.0.0.1:9")


def test_a_sample_has_the_shares_of_the_whole_but_keeps_rare_classes() -> None:
    assert quotas({"a": 900, "b": 100}, 200) == {"a": 180, "b": 20}
    assert quotas({"a": 9000, "b": 50, "c": 5}, 200) == {"a": 199, "b": 12, "c": 5}
    assert quotas({"a": 30, "b": 10}, 200) == {"a": 30, "b": 10}


@reads
def test_text_in_corners_of_a_hub_set_is_told_and_blacked_out_where_asked(
    hub: FakeHub, tmp_path: Path
) -> None:
    rows = [{"image": named_film(n), "label": n % 2} for n in range(8)]
    asked = put(hub, "lab/named", {"data/train.parquet": parquet(rows, names=["no", "yes"])})

    listing, _ = read_hub(
        replace(asked, black_corners=True), tmp_path / "black", endpoint=hub.endpoint
    )

    assert listing.report.burnt_in == BurntIn(1, blacked_out=True, named=("train/000003.png",))
    assert np.asarray(Image.open(listing.entries[3].file)).max() == 43


def test_text_in_corners_of_a_hub_image_stays_where_nobody_asked(tmp_path: Path) -> None:
    told = write_image(named_film(3), tmp_path / "x.png")

    assert told["burnt"]
    assert np.asarray(Image.open(tmp_path / "x.png")).max() == 255
    assert not write_image(named_film(2), tmp_path / "y.png")["burnt"]


@reads
@pytest.mark.parametrize("frame", ["2", "column slice"])
def test_a_frame_of_images_with_several_is_read_as_answered(
    hub: FakeHub, tmp_path: Path, frame: str
) -> None:
    rows = [{"image": stack(n), "label": n % 2, "slice": 2} for n in range(8)]
    asked = put(hub, "lab/stacks", {"data/train.parquet": parquet(rows, names=["no", "yes"])})

    with pytest.raises(DataError, match="It has 3 frames: pick one"):
        read_hub(asked, tmp_path / "none", endpoint=hub.endpoint)
    listing, _ = read_hub(replace(asked, frame=frame), tmp_path / "two", endpoint=hub.endpoint)

    seconds = [int(np.asarray(Image.open(entry.file)).min()) for entry in listing.entries]
    assert seconds == [20 * n + 2 for n in range(8)]


def stack(number: int) -> bytes:
    """Return a TIFF of three pages, each with a level of its own."""
    out = io.BytesIO()
    first, *more = (Image.new("L", (24, 24), 20 * number + page) for page in (1, 2, 3))
    for each in (first, *more):
        each.putpixel((0, 0), 255)
    first.save(out, "TIFF", save_all=True, append_images=more)
    return out.getvalue()


def test_of_a_hub_set_the_frame_alone_is_asked() -> None:
    assert frame_alone(()) == ""
    assert frame_alone((("frame", "middle"),)) == "middle"
    with pytest.raises(DataError, match="asks no question “label”"):
        frame_alone((("label", "column dx"), ("frame", "2")))


def named_film(number: int) -> bytes:
    """Return a film; the fourth has a name in its corner."""
    image, out = Image.new("L", (200, 150), 40 + number), io.BytesIO()
    if number == 3:
        ImageDraw.Draw(image).text((4, 4), "DOE, JANE", font=ImageFont.load_default(12), fill=255)
    image.save(out, "PNG")
    return out.getvalue()
