from __future__ import annotations

from pathlib import Path

import pytest

from imil.datasets.files.tree import Findings, _walk, is_system_file
from imil.datasets.listing import Skipped


@pytest.mark.parametrize(
    "name", [".DS_Store", "a/Thumbs.db", "__MACOSX/a/._1.png", "desktop.ini", "a/.git/x"]
)
def test_system_and_hidden_files_are_known_by_name(name: str) -> None:
    assert is_system_file(name)
    assert not is_system_file("a/image.png")


def test_a_folder_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    findings = Findings()

    assert list(_walk(tmp_path / "gone", findings)) == []

    assert findings.skipped == [Skipped(".", "This program may not open the folder.")]
