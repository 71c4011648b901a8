"""The Space that the README's front matter describes, and a copy of it that has no secrets."""

from __future__ import annotations

import os
from importlib.metadata import version

import gradio as gr
import pytest
import torch
import yaml
from gradio.routes import App
from huggingface_hub import SpaceHardware
from packaging.requirements import Requirement

from imil.app.app import build_app
from imil.app.header.header import SAVED_HERE, header
from imil.app.header.space_link import build_space_link
from imil.jobs.device import pick_device
from imil.settings import Settings
from imil.study.library.studies import Studies
from tests.standins.documents import ROOT

FRONT = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
# What the Hub's documentation allows.
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}

# Gradio leaves event loops open.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def requirements() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    asked = (line.partition("#")[0].strip() for line in lines)
    return {each.name: each for each in map(Requirement, filter(None, asked))}


def test_the_front_matter_is_complete_and_allowed() -> None:
    assert {k: FRONT[k] for k in ("sdk", "app_file", "license", "hf_oauth")} == {
        "sdk": "gradio",
        "app_file": "app.py",
        "license": "apache-2.0",
        "hf_oauth": True,
    }
    assert (ROOT / FRONT["app_file"]).is_file()
    assert {FRONT["colorFrom"], FRONT["colorTo"]} <= COLOURS
    assert len(FRONT["emoji"]) == 1
    assert FRONT["title"]
    assert 0 < len(FRONT["short_description"]) <= 60
    # Nobody has to pay for a copy: a new Space on a processor alone needs a paid plan.
    assert FRONT["suggested_hardware"] == SpaceHardware.ZERO_A10G.value
    assert FRONT["startup_duration_timeout"] == "30m"
    # The least that lets a visitor keep a copy: repos that this app made, and no other.
    assert FRONT["hf_oauth_scopes"] == ["contribute-repos"]
    assert 0 < FRONT["hf_oauth_expiration_minutes"] <= 43200


def test_its_versions_are_those_that_the_app_is_developed_and_tested_with() -> None:
    gradio = requirements()["gradio"]

    assert FRONT["sdk_version"] == version("gradio")
    assert FRONT["sdk_version"] in gradio.specifier
    assert gradio.extras == {"oauth"}
    # ZeroGPU knows this one, and pandas 3, numpy 2.4 and pyarrow 26 need 3.11.
    assert FRONT["python_version"] == "3.12"


@pytest.mark.slow
def test_a_copy_of_the_space_without_a_secret_starts_and_says_local_only(
    studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"SYSTEM": "spaces", "SPACE_ID": "bob/copy"}.items():
        monkeypatch.setenv(name, value)
    for name in ("HF_TOKEN", "IMIL_STATE_REPO", "OAUTH_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    assert Settings.from_env(os.environ).token is None

    app = App.create_app(build_app(studies))

    assert app.blocks is not None
    assert not app.blocks.expects_oauth
    assert header(studies.demo())["saved"]["words"] == SAVED_HERE


def test_a_space_says_how_to_have_ones_own_and_no_other_place_does() -> None:
    with gr.Blocks():
        link, none = build_space_link("alice/imil"), build_space_link(None)

    assert link is not None
    assert "https://huggingface.co/spaces/alice/imil?duplicate=true" in link.value
    assert none is None


def test_a_paid_gpu_is_what_the_worker_trains_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    assert (pick_device("auto"), pick_device("cpu")) == ("cuda", "cpu")
