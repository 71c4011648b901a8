from __future__ import annotations

import pytest

from imil.datasets.tables.spelling import code_page


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("gb18030", ("良性/图像1.png", "恶性/图像2.png")),
        ("gb18030", ("正常/1.jpg", "肺炎/2.jpg")),
        ("big5", ("良性/影像1.png", "惡性/影像2.png")),
        ("big5", ("正常/1.jpg", "肺炎/2.jpg", "訓練/3.jpg")),
        ("cp932", ("良性/画像1.png", "悪性/画像2.png")),
        ("cp932", ("訓練データ/1.png", "正常/2.png")),
    ],
)
def test_the_code_page_of_folder_names_is_told(page: str, names: tuple[str, ...]) -> None:
    assert code_page([name.encode(page) for name in names]) == page


@pytest.mark.parametrize("page", ["cp437", "cp1252", "latin-1", "utf-8"])
def test_western_names_are_of_no_such_page(page: str) -> None:
    names = ("größe/Müller.png", "bénigne/1.png", "mañana/1.png", "plain.png")

    assert code_page([name.encode(page, "ignore") for name in names]) is None


def test_names_of_two_pages_are_of_none() -> None:
    assert code_page(["良性".encode("cp932"), "Menü".encode("cp1252")]) is None
    assert code_page([]) is None
