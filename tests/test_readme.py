"""The README is true: its commands exist, and those a reader would type run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_make_command_in_the_readme_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))

    named = {t for line in re.findall(r"\bmake ((?:[a-z]+ ?)+)[`\n]", README) for t in line.split()}

    assert {"run", "test", "check", "soak", "venv"} <= named
    assert named <= targets


def test_every_command_of_the_makefile_is_in_the_readme_or_says_what_it_does() -> None:
    described = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())

    assert described | {"help"} == phony


def test_ci_runs_the_commands_that_the_readme_names() -> None:
    assert "make check test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "`make check test`" in README


def test_every_file_and_folder_named_exists() -> None:
    named = re.findall(r"`((?:docs|tests|assets|imil)/[\w./-]*)`", README)
    named += re.findall(r"\]\((?!http)([^)]+)\)", README)

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_environment_variables_are_those_that_are_read() -> None:
    settings = (ROOT / "imil" / "settings.py").read_text(encoding="utf-8")

    named = set(re.findall(r"`((?:IMIL|HF)_[A-Z_]+)`", README))

    assert named == set(re.findall(r"\"((?:IMIL|HF)_[A-Z_]+)\"", settings))


@pytest.mark.slow
def test_the_commands_a_reader_would_type_run(tmp_path: Path) -> None:
    commands = re.findall(r"^python -m (imil .*)$", README, re.MULTILINE)
    assert [shlex.split(command)[1] for command in commands] == ["films", "run"]

    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "IMIL_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr

    for name in re.findall(r"`(results\.\w+|report\.html)`", README):
        assert (tmp_path / "results" / name).exists()
