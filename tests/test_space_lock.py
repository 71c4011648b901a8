"""What a Space installs can be installed: followed through what each package says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.lock_space import LOCK, PYTHON, RECORD, TAGS, brought_along
from tests.standins.documents import ROOT

FRONT = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
PACKAGES: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
# Of the Hub's documentation, August 2026.
TORCH_ON_ZERO = {"2.8.0", "2.9.1", "2.10.0", "2.11.0"}
SPACE = {
    "implementation_name": "cpython",
    "implementation_version": PYTHON,
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": PYTHON,
    "python_version": PYTHON.rpartition(".")[0],
    "sys_platform": "linux",
}


def requirements(file: Path) -> list[Requirement]:
    """Return the requirements of a file, one a line."""
    lines = (line.partition("#")[0] for line in file.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line.strip()]


def pins() -> dict[str, str]:
    """Return the version of each package in the lock; every line must name exactly one."""
    found = {}
    for each in requirements(LOCK):
        (only,) = each.specifier
        assert (only.operator, each.marker, each.url) == ("==", None, None)
        found[canonicalize_name(each.name)] = only.version
    return {str(name): release for name, release in found.items()}


def asked() -> list[Requirement]:
    """Return all that a Space is asked to install: our list, and what it brings along."""
    return [*requirements(ROOT / "requirements.txt"), *map(Requirement, brought_along())]


def follow(wanted: list[Requirement]) -> Iterator[tuple[str, Requirement]]:
    """Yield (who asks, what for) of everything that is needed there, each once."""
    left = [("a Space", each) for each in wanted]
    seen = set()
    while left:
        who, each = left.pop()
        if (who, str(each)) in seen:
            continue
        seen.add((who, str(each)))
        yield who, each
        name = str(canonicalize_name(each.name))
        for line in PACKAGES.get(name, {"requires": ()})["requires"]:
            needed = Requirement(line)
            if holds(needed, each.extras):
                left.append((name, needed))


def holds(needed: Requirement, extras: set[str]) -> bool:
    """Return whether a package with these extras needs that on a Space."""
    marker = needed.marker
    return marker is None or any(marker.evaluate({**SPACE, "extra": e}) for e in ("", *extras))


def refused(wanted: list[Requirement], locked: dict[str, str]) -> list[str]:
    """Return what the locked releases don't satisfy, who asks for it, and what is locked."""
    found = []
    for who, each in follow(wanted):
        release = locked.get(canonicalize_name(each.name), "none")
        if release == "none" or not each.specifier.contains(release, prereleases=True):
            found.append(f"{who} needs {each}, locked: {release}")
    return found


def test_everything_that_a_space_needs_is_in_the_lock_in_a_release_that_all_accept() -> None:
    assert refused(asked(), pins()) == []


@pytest.mark.parametrize(
    ("name", "release", "who"),
    [
        ("pydantic", "2.13.0", "gradio"),  # by the extra that a Space asks for
        ("torch", "2.14.1", "torchvision"),
        ("huggingface-hub", "1.20.0", "a Space"),
    ],
)
def test_a_release_that_somebody_refuses_is_found(name: str, release: str, who: str) -> None:
    assert any(line.startswith(who) for line in refused(asked(), {**pins(), name: release}))


def test_nothing_is_in_the_lock_that_nobody_needs() -> None:
    needed = {str(canonicalize_name(each.name)) for _, each in follow(asked())}

    assert needed == pins().keys()


def test_the_record_is_of_the_lock() -> None:
    assert {name: about["version"] for name, about in PACKAGES.items()} == pins()


def test_each_package_has_a_wheel_for_the_python_of_the_space() -> None:
    release = (int(PYTHON.split(".")[0]), int(PYTHON.split(".")[1]))
    fits = {*cpython_tags(release, platforms=TAGS), *compatible_tags(release, platforms=TAGS)}

    for name, about in PACKAGES.items():
        wheel, version, _, tags = parse_wheel_filename(about["wheel"])
        assert (str(wheel), str(version)) == (name, about["version"])
        assert SpecifierSet(about["python"]).contains(PYTHON), name
        assert fits & tags, name


def test_its_torch_is_one_that_zerogpu_lends_its_cards_to() -> None:
    assert pins()["torch"] in TORCH_ON_ZERO
    # In a release for CUDA 12.8 or newer, which those cards need.
    cuda = [each for who, each in follow(asked()) if who == "torch" and "cuda-runtime" in each.name]
    assert [each.specifier.contains("12.8.90") for each in cuda] == [True]


def test_the_front_matter_names_the_python_and_the_gradio_of_the_lock() -> None:
    assert PYTHON.startswith(FRONT["python_version"])
    assert FRONT["sdk_version"] == pins()["gradio"]
