from __future__ import annotations

import re
import tomllib

import pytest

from imil.errors import EXTRAS, how_to_install
from tests.standins.documents import ROOT

SOURCES = [*(ROOT / "imil").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), ROOT / "app.py"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_packages_that_are_advised_are_those_of_the_extra(extra: str) -> None:
    assert list(EXTRAS[extra]) == PROJECT["optional-dependencies"][extra]

    assert all(package in how_to_install(extra) for package in EXTRAS[extra])


def test_no_message_advises_to_install_this_app_by_its_name_from_an_index() -> None:
    # That name belongs to nobody here: whoever takes it would be run by whoever reads the message.
    advised = [
        f"{path.name}: {found}"
        for path in SOURCES
        for found in re.findall(r"imil\[\w|pip install[^\n]*\bimil\b", path.read_text("utf-8"))
    ]

    assert advised == []
