from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imil.datasets.files.pixels import (
    MAX_IMAGE_PIXELS,
    PixelsError,
    _opened,
    read_pixels,
    read_region,
    shown_size,
)
from imil.errors import DataError


def _saved(folder: Path, image: Image.Image, name: str = "x.png", **options: Any) -> Path:
    file = folder / name
    image.save(file, **options)
    return file


def _noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8))


def test_grey_stays_grey_and_colour_stays_colour(tmp_path: Path) -> None:
    grey = _saved(tmp_path, Image.new("L", (3, 2), 7), "grey.png")
    colour = _saved(tmp_path, Image.new("RGB", (3, 2), (1, 2, 3)), "colour.png")

    assert read_pixels(grey).tolist() == [[7, 7, 7], [7, 7, 7]]
    assert read_pixels(colour)[0, 0].tolist() == [1, 2, 3]
    assert read_pixels(colour).shape == (2, 3, 3)


def test_pixels_can_be_written_to(tmp_path: Path) -> None:
    pixels = read_pixels(_saved(tmp_path, Image.new("L", (3, 2), 7)))

    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_sixteen_bits_keep_their_depth(tmp_path: Path, name: str) -> None:
    deep = np.array([[0, 300], [40_000, 65_535]], np.uint16)
    file = _saved(tmp_path, Image.fromarray(deep), name)

    pixels = read_pixels(file)

    assert pixels.dtype == np.uint16
    assert pixels.tolist() == [[0, 300], [40_000, 65_535]]


def test_big_endian_sixteen_bits_are_read_in_this_machines_order(tmp_path: Path) -> None:
    # II/MM, one strip of 2 x 1 pixels, 16 bits, BlackIsZero.
    tags = [(256, 2), (257, 1), (258, 16), (259, 1), (262, 1), (273, 8), (278, 1), (279, 4)]
    fields = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    directory = struct.pack(">H", len(tags)) + fields + bytes(4)
    file = tmp_path / "x.tif"
    file.write_bytes(b"MM\0*" + struct.pack(">IHH", 12, 1, 256) + directory)

    assert read_pixels(file).tolist() == [[1, 256]]


def test_32_bit_integers_are_taken_where_they_fit_16(tmp_path: Path) -> None:
    fits = Image.fromarray(np.array([[0, 60_000]], np.int32))
    too_bright = Image.fromarray(np.array([[0, 70_000]], np.int32))
    negative = Image.fromarray(np.array([[-1, 5]], np.int32))

    assert read_pixels(_saved(tmp_path, fits, "a.tif")).tolist() == [[0, 60_000]]
    with pytest.raises(PixelsError, match=r"grey levels \(0 to 70000\) do not fit 16 bits"):
        read_pixels(_saved(tmp_path, too_bright, "b.tif"))
    with pytest.raises(PixelsError, match=r"grey levels \(-1 to 5\) do not fit 16 bits"):
        read_pixels(_saved(tmp_path, negative, "c.tif"))


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    file = _saved(tmp_path, Image.fromarray(np.array([[0.5]], np.float32)), "x.tif")

    with pytest.raises(PixelsError, match="floating-point numbers"):
        read_pixels(file)


def test_palettes_become_their_colours(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.putpixel((1, 0), 1)

    pixels = read_pixels(_saved(tmp_path, image))

    assert pixels.tolist() == [[[10, 20, 30], [200, 100, 0]]]


def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 10, 10, 200, 200, 200])
    image.putpixel((1, 0), 1)
    file = _saved(tmp_path, image)

    assert read_pixels(file).tolist() == [[10, 200]]


def test_one_bit_images_are_black_and_white(tmp_path: Path) -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)

    assert read_pixels(_saved(tmp_path, image)).tolist() == [[0, 255]]


def test_transparency_is_composited_on_black(tmp_path: Path) -> None:
    colour = Image.new("RGBA", (1, 1), (200, 100, 50, 128))
    grey = Image.new("LA", (1, 1), (200, 0))
    keyed = Image.new("P", (2, 1))
    keyed.putpalette([10, 20, 30, 200, 100, 0])
    keyed.putpixel((1, 0), 1)

    assert read_pixels(_saved(tmp_path, colour)).tolist() == [[[100, 50, 25]]]
    assert read_pixels(_saved(tmp_path, grey)).tolist() == [[0]]
    keyed_file = _saved(tmp_path, keyed, transparency=0)
    assert read_pixels(keyed_file).tolist() == [[[0, 0, 0], [200, 100, 0]]]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))

    pixels = read_pixels(_saved(tmp_path, image, "x.tif"))

    assert pixels[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (1, [[1, 2, 3], [4, 5, 6]]),
        (2, [[3, 2, 1], [6, 5, 4]]),
        (3, [[6, 5, 4], [3, 2, 1]]),
        (4, [[4, 5, 6], [1, 2, 3]]),
        (5, [[1, 4], [2, 5], [3, 6]]),
        (6, [[4, 1], [5, 2], [6, 3]]),
        (7, [[6, 3], [5, 2], [4, 1]]),
        (8, [[3, 6], [2, 5], [1, 4]]),
    ],
)
@pytest.mark.parametrize(
    ("name", "options"),
    [("x.png", {}), ("x.tif", {}), ("x.tif", {"compression": "tiff_lzw"})],
)
def test_an_image_is_turned_as_a_viewer_shows_it(
    tmp_path: Path,
    name: str,
    options: dict[str, str],
    orientation: int,
    shown: list[list[int]],
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    file = _saved(tmp_path, image, name, exif=exif, **options)

    assert read_pixels(file).tolist() == shown
    assert shown_size(file) == (len(shown[0]), len(shown))


def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    file = _saved(tmp_path, Image.fromarray(np.array([[1, 2]], np.uint8)), exif=exif)

    assert read_pixels(file).tolist() == [[1, 2]]


def test_a_turned_16_bit_image_keeps_its_depth(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.array([[1000, 2000]], np.uint16))

    assert read_pixels(_saved(tmp_path, image, exif=exif)).tolist() == [[1000], [2000]]


@pytest.mark.parametrize("name", ["x.gif", "x.tif", "x.webp", "x.png"])
def test_of_several_frames_none_is_taken_unless_it_is_picked(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name == "x.webp" else {}
    second = Image.new("RGB", (4, 4), (0, 0, 250))
    file = _saved(
        tmp_path,
        Image.new("RGB", (4, 4), (250, 0, 0)),
        name,
        save_all=True,
        append_images=[second],
        **options,
    )

    assert read_pixels(file, frame=1)[0, 0].tolist() == [250, 0, 0]
    assert read_pixels(file, frame=2)[0, 0].tolist() == [0, 0, 250]
    with pytest.raises(PixelsError, match="It has 2 frames: pick one"):
        read_pixels(file)
    with pytest.raises(PixelsError, match="no frame 3"):
        read_pixels(file, frame=3)


def test_a_thumbnail_or_a_broken_second_page_is_no_frame(tmp_path: Path) -> None:
    small = Image.new("L", (2, 2), 9)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    both = _saved(
        tmp_path, Image.new("L", (4, 4), 7), "a.tif", save_all=True, append_images=[small]
    )
    whole = _saved(
        tmp_path, Image.new("L", (4, 4), 7), "b.tif", save_all=True, append_images=[small]
    ).read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: len(whole) - 40])

    assert read_pixels(both).tolist() == [[7] * 4] * 4
    assert read_pixels(cut).tolist() == [[7] * 4] * 4


def test_a_chain_of_pages_without_an_end_ends(tmp_path: Path) -> None:
    pages = [Image.new("L", (4, 4), level) for level in range(3)]
    file = _saved(tmp_path, pages[0], "x.tif", save_all=True, append_images=pages[1:])
    raw = bytearray(file.read_bytes())
    first = int.from_bytes(raw[4:8], "little")
    at = first
    for _ in range(2):
        entries = int.from_bytes(raw[at : at + 2], "little")
        at = int.from_bytes(raw[at + 2 + 12 * entries :][:4], "little")
    entries = int.from_bytes(raw[at : at + 2], "little")
    raw[at + 2 + 12 * entries : at + 6 + 12 * entries] = first.to_bytes(4, "little")
    file.write_bytes(raw)

    assert read_pixels(file, frame=3)[0, 0] == 2


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tif", "x.bmp", "x.webp"])
def test_a_truncated_image_is_damaged(tmp_path: Path, name: str) -> None:
    file = _saved(tmp_path, _noise(), name)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    with pytest.raises(PixelsError, match=r"x\.\w+” can't be read.*damaged or ends too early") as e:
        read_pixels(file)

    assert e.value.fix == (
        "Open it in an image viewer and save it again as PNG or JPEG, or leave it out."
    )


def _bomb(file: Path, side: int) -> Path:
    """Write a PNG of a few bytes whose header says side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return file


@pytest.mark.parametrize("side", [9_000, 9_600, 60_000])
def test_a_decompression_bomb_is_refused_from_its_header(tmp_path: Path, side: int) -> None:
    file = _bomb(tmp_path / "bomb.png", side)

    for read in (read_pixels, shown_size):
        with pytest.raises(PixelsError, match="more than 80 million are not opened"):
            read(file)


def test_the_bound_is_below_the_size_at_which_pillow_warns() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert MAX_IMAGE_PIXELS < Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf <svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
        (b"<?xml version='1.0'?><svg/>", "XML or SVG document"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "a web page"),
        (b"<html></html>", "a web page"),
        (b"%PDF-1.7", "PDF document"),
        (b"PK\x03\x04rest", "zip archive"),
        (bytes(128) + b"DICM", "DICOM file"),
        (b"hello", "not a PNG, JPEG, TIFF, BMP, WebP or GIF image"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "x.png"
    file.write_bytes(content)

    with pytest.raises(PixelsError, match=reason):
        read_pixels(file)


def test_formats_of_other_plugins_are_not_decoded(tmp_path: Path) -> None:
    file = _saved(tmp_path, Image.new("RGB", (2, 2)), "x.ppm").rename(tmp_path / "x.png")

    with pytest.raises(PixelsError, match="not a PNG, JPEG, TIFF"):
        read_pixels(file)


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"“x\.png” can't be read.*not there any more"):
        read_pixels(tmp_path / "x.png")


def test_a_file_that_may_not_be_opened_is_a_data_error(tmp_path: Path) -> None:
    file = _saved(tmp_path, Image.new("L", (2, 2)))

    with pytest.raises(PixelsError, match="may not open the file"), _opened(file):
        raise PermissionError


def test_a_region_is_true_where_the_mask_is_white(tmp_path: Path) -> None:
    mask = np.array([[0, 127, 128, 255]], np.uint8)
    deep = (mask.astype(np.uint16) << 8) + 200
    colour = np.stack([mask] * 3, axis=-1)

    expected = [[False, False, True, True]]
    for levels in (mask, deep, colour):
        assert read_region(_saved(tmp_path, Image.fromarray(levels))).tolist() == expected


def test_a_1_bit_region_is_true_where_set(tmp_path: Path) -> None:
    mask = Image.fromarray(np.array([[True, False]]))

    assert read_region(_saved(tmp_path, mask)).tolist() == [[True, False]]


def test_random_damage_is_met_with_a_reason_or_an_image(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    file = tmp_path / "x"
    for name in ("x.png", "x.jpg", "x.tif", "x.bmp", "x.webp", "x.gif"):
        whole = np.frombuffer(_saved(tmp_path, _noise(), name).read_bytes(), np.uint8)
        for _ in range(20):
            damaged = whole.copy()
            damaged[random.integers(0, 80, 3)] = random.integers(0, 256, 3)
            file.write_bytes(damaged.tobytes()[: random.integers(20, whole.size)])
            with suppress(PixelsError):
                assert read_pixels(file).ndim in (2, 3)
