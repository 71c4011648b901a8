"""Processes that the app starts are told no secret: each is asked for its environment."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from imil.datasets.files.dicom import RefusedError
from imil.datasets.hub.process import HubRequest, messages
from imil.datasets.reading.dicom import DicomReader
from imil.datasets.reading.uploads import UploadReader
from imil.errors import DataError, ImilError
from imil.jobs.pool import WorkerPool

SECRETS = {
    "HF_TOKEN": "hf_1",
    "HUGGING_FACE_HUB_TOKEN": "hf_2",
    "HF_TOKEN_PATH": "/secret/hf_3",
    "OAUTH_CLIENT_SECRET": "oauth_4",
    "SPACE_TOKEN": "hf_5",
    "PYTHON_KEYRING_PASSWORD": "ring_6",
    "AWS_ACCESS_KEY_ID": "aws_7",
    "DATABASE_URL": "postgres://user:word_8@host",
}
NEEDED = {"CUDA_VISIBLE_DEVICES": "1", "OMP_WAIT_POLICY": "passive", "LC_ALL": "C.UTF-8"}


def train(folder: Path) -> None:
    pool = WorkerPool(folder / "jobs", warm=True)
    until((folder / "told").exists)
    pool.close()


def read_dicom(folder: Path) -> None:
    with suppress(RefusedError), DicomReader(salt="") as reader:
        reader.header(folder)


def read_hub(_: Path) -> None:
    with suppress(DataError, BrokenPipeError):
        list(messages(HubRequest("a/b"), "main", None, "https://hub.test"))


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it was not started"
        time.sleep(0.01)


def read_upload(folder: Path) -> None:
    with suppress(ImilError):
        UploadReader().look(folder / "films.zip", folder)


@pytest.mark.parametrize("start", [train, read_dicom, read_hub, read_upload])
def test_a_process_that_the_app_starts_is_told_no_secret(
    start: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    asked = tmp_path / "python"
    asked.write_text(f"#!/bin/sh\nenv > {told}.part\nmv {told}.part {told}\nexit 1\n")
    asked.chmod(0o700)
    for name, value in (SECRETS | NEEDED).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "executable", str(asked))

    start(tmp_path)

    until(told.exists)
    environment = told.read_text()
    assert [value for value in SECRETS.values() if value in environment] == []
    assert [name for name in SECRETS if f"{name}=" in environment] == []
    assert [name for name in NEEDED if f"{name}=" not in environment] == []
    assert "PATH=" in environment
