"""What the page for whoever serves the app says is so: files, commands, variables, versions."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from imil.synthetic.films import FilmSpec, write_films
from tests.lock_space import LOCK
from tests.standins.documents import ROOT

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_make_command_is_in_the_makefile() -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", PAGE, re.MULTILINE))

    assert {"space", "lock", "audit"} <= named
    assert named <= set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_every_setting_of_make_space_is_one_that_it_reads() -> None:
    (recipe,) = re.findall(r"^space: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)

    for name in ("REPO", "PUBLIC", "HARDWARE", "STATE_REPO", "SPACE_TOKEN"):
        assert re.search(rf"\b{name}\b", PAGE)
        assert f"$({name})" in recipe


def test_environment_variables_are_those_that_are_read() -> None:
    settings = (ROOT / "imil" / "settings.py").read_text(encoding="utf-8")

    named = set(re.findall(r"`((?:IMIL|HF)_[A-Z_]+)`", PAGE))

    assert named == set(re.findall(r"\"((?:IMIL|HF)_[A-Z_]+)\"", settings))


def test_every_file_that_is_named_exists() -> None:
    files = re.findall(r"`([\w./-]+\.(?:md|txt|toml|py))`", PAGE)

    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_torch_that_is_named_is_that_of_the_lock() -> None:
    (release,) = re.findall(r"The Space gets torch ([\d.]+\d)", PAGE)

    assert f"torch=={release}\n" in LOCK.read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_a_job_on_the_hub_would_do_runs(tmp_path: Path) -> None:
    (line,) = re.findall(r"^(hf jobs run .*?')$", PAGE, re.MULTILINE | re.DOTALL)
    words = shlex.split(line.replace("\\\n", " "))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "IMIL_HOME": str(tmp_path / "home")}
    for _ in write_films(FilmSpec(images=40, size=32), tmp_path / "images"):
        pass

    read = subprocess.run(
        [sys.executable, "-m", "huggingface_hub.cli.hf", *words[1:3], "--dry-run", *words[3:]],
        env=environment | {"HF_TOKEN": "hf_none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    (ours,) = re.findall(r"python -m (imil run .*?) &&", words[-1])
    moved = [str(tmp_path / word[1:]) if word.startswith("/") else word for word in ours.split()]
    done = subprocess.run(
        [sys.executable, "-m", *moved, "--seeds", "0", "--epochs", "1", "--epochs-after", "1"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert read.returncode == 0, read.stderr
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "results.json").exists()
