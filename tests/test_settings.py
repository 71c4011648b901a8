from __future__ import annotations

from pathlib import Path

import pytest

from imil.errors import PlanError
from imil.settings import Settings


@pytest.mark.parametrize("repo", ["state", "lab/state/more", "https://hub.test/lab/state", "a b/c"])
def test_a_state_repo_that_is_no_id_is_refused(repo: str) -> None:
    with pytest.raises(PlanError, match=r"IMIL_STATE_REPO.*owner/name"):
        Settings.from_env({"IMIL_STATE_REPO": repo})


def test_an_empty_environment_means_local_state_and_the_demo() -> None:
    found = Settings.from_env({})

    assert found.home == Path("~/.cache/imil").expanduser()
    assert (found.device, found.demo, found.token) == ("auto", True, None)


def test_variables_are_taken() -> None:
    found = Settings.from_env({"IMIL_HOME": "/x", "IMIL_DEVICE": "cpu", "IMIL_DEMO": "0"})

    assert (found.home, found.device, found.demo) == (Path("/x"), "cpu", False)


def test_a_space_with_zerogpu_is_known_by_its_own_variable() -> None:
    assert Settings.from_env({"SPACES_ZERO_GPU": "true"}).zero
    assert not Settings.from_env({"SPACES_ZERO_GPU": "false"}).zero


def test_a_space_knows_its_own_id_and_takes_no_other_text_for_one() -> None:
    assert Settings.from_env({"SPACE_ID": "alice/imil"}).space_id == "alice/imil"
    assert Settings.from_env({"SPACE_ID": "alice/imil?x=1"}).space_id is None
    assert Settings.from_env({}).space_id is None


def test_a_value_that_means_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match=r"IMIL_DEVICE is “tpu”.*auto, cpu, cuda"):
        Settings.from_env({"IMIL_DEVICE": "tpu"})


def test_the_token_is_never_printed() -> None:
    assert "hf_secret" not in repr(Settings.from_env({"HF_TOKEN": "hf_secret"}))


def test_visitors_sign_in_only_on_a_space_that_has_all_that_it_takes() -> None:
    space = {
        "SYSTEM": "spaces",
        "SPACE_ID": "alice/imil",
        "OAUTH_CLIENT_ID": "x",
        "OAUTH_CLIENT_SECRET": "x",
        "OAUTH_SCOPES": "openid",
        "OPENID_PROVIDER_URL": "https://huggingface.co",
    }

    assert Settings.from_env(space).sign_in
    for name in space:
        assert not Settings.from_env({**space, name: ""}).sign_in


def test_studies_are_let_go_after_days_on_a_space_and_never_at_home_unless_said() -> None:
    assert Settings.from_env({}).idle_days == 0
    assert Settings.from_env({"SYSTEM": "spaces"}).idle_days == 90
    assert Settings.from_env({"SYSTEM": "spaces", "IMIL_IDLE_DAYS": "0"}).idle_days == 0
    assert Settings.from_env({"IMIL_IDLE_DAYS": "30"}).idle_days == 30
    with pytest.raises(PlanError, match=r"IMIL_IDLE_DAYS is “soon”.*number such as 90"):
        Settings.from_env({"IMIL_IDLE_DAYS": "soon"})


def test_as_many_processes_train_as_is_said_and_at_least_one() -> None:
    assert Settings.from_env({}).workers == 2
    assert Settings.from_env({"IMIL_WORKERS": "1"}).workers == 1
    for wrong in ("0", "many", "-1"):
        with pytest.raises(PlanError, match=f"IMIL_WORKERS is “{wrong}”.*1 where memory is short"):
            Settings.from_env({"IMIL_WORKERS": wrong})


HOSTILE = ("nan", "inf", "1e308", "-1", "9" * 5000, "é", "a b", "\u202e", "x" * 10**5, "٣", "0x10")


@pytest.mark.parametrize("name", ["IMIL_IDLE_DAYS", "IMIL_WORKERS", "IMIL_DEVICE", "IMIL_DEMO"])
def test_a_variable_that_means_nothing_is_refused_in_a_short_sentence(name: str) -> None:
    for value in HOSTILE:
        with pytest.raises(PlanError, match=f"{name} is") as refused:
            Settings.from_env({name: value})
        assert len(str(refused.value)) < 300


@pytest.mark.parametrize("value", [*HOSTILE, "ftp://x", "https://", "http://a b", "file:///etc"])
def test_an_address_or_a_repo_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(PlanError, match="HF_ENDPOINT is no address"):
        Settings.from_env({"HF_ENDPOINT": value})
    with pytest.raises(PlanError, match="IMIL_STATE_REPO"):
        Settings.from_env({"IMIL_STATE_REPO": f"{value}/../x"})
    with pytest.raises(PlanError, match=r"IMIL_SELECT_MODEL.*owner/name@revision"):
        Settings.from_env({"IMIL_SELECT_MODEL": f"{value}/../x"})
    assert Settings.from_env({"HF_ENDPOINT": "http://127.0.0.1:80/hub"}).endpoint
