from __future__ import annotations

from pathlib import Path

import pytest

from imil.errors import PlanError
from imil.settings import Settings


def test_an_empty_environment_means_local_state_and_the_demo() -> None:
    found = Settings.from_env({})

    assert found.home == Path("~/.cache/imil").expanduser()
    assert (found.device, found.demo, found.token) == ("auto", True, None)


def test_variables_are_taken() -> None:
    found = Settings.from_env({"IMIL_HOME": "/x", "IMIL_DEVICE": "cpu", "IMIL_DEMO": "0"})

    assert (found.home, found.device, found.demo) == (Path("/x"), "cpu", False)


def test_a_value_that_means_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match=r"IMIL_DEVICE is “tpu”.*auto, cpu, cuda"):
        Settings.from_env({"IMIL_DEVICE": "tpu"})


def test_the_token_is_never_printed() -> None:
    assert "hf_secret" not in repr(Settings.from_env({"HF_TOKEN": "hf_secret"}))
