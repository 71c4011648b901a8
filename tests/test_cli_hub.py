from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import get_session
from typer.testing import CliRunner, Result

from imil.cli.main import app
from imil.core.nets.backbones import build, weights_to_bytes
from imil.jobs.pool import WorkerPool
from imil.storage.base import study_of
from imil.storage.hub.repo import HUB_ANSWER_SECONDS
from imil.storage.local import LocalStore
from imil.study.library.publishing import LOCK
from imil.study.library.studies import Studies
from imil.study.services import Services
from imil.synthetic.films import FilmSpec
from tests.standins.documents import ROOT
from tests.standins.fakehub import READER, TOKEN, FakeHub, Fault
from tests.standins.trained import as_if_trained, corner
from tests.standins.visitors import no_weights

pytestmark = pytest.mark.slow


def imil(*arguments: str, home: Path, **env: str) -> Result:
    """Run a command in this process: another one would import torch again."""
    return CliRunner().invoke(app, arguments, env={"IMIL_HOME": str(home), **env})


def told(result: Result) -> str:
    return result.output + str(result.exception)


@pytest.fixture
def study(tmp_path: Path) -> str:
    """A study with one mask on this machine, its id."""
    pool = WorkerPool(tmp_path / "jobs")
    tools = Services(LocalStore(tmp_path / "store"), pool, no_weights)
    demo = FilmSpec(images=40, size=64, seed=1)
    made = as_if_trained(Studies(tmp_path / "work", tools, demo=demo).demo())
    sample = made.queues.offers()[0].sample_id
    made.review.submit(sample, corner(made, sample), reader="r", seconds=4)
    pool.close()
    return made.study_id


def test_a_study_is_pushed_from_the_command_line(study: str, tmp_path: Path) -> None:
    with FakeHub() as hub:
        push = ("push", study, "--repo", "alice/masks")
        done = imil(*push, home=tmp_path, HF_ENDPOINT=hub.endpoint, HF_TOKEN=TOKEN)
        refused = imil(*push, home=tmp_path, HF_ENDPOINT=hub.endpoint, HF_TOKEN=READER)
        none = imil("push", study, "--model", "alice/m", home=tmp_path, HF_ENDPOINT=hub.endpoint)

        assert done.exit_code == 0, told(done)
        assert f"Masks and figures are in {hub.endpoint}/datasets/alice/masks" in done.stdout
        made = hub.repos["datasets/alice/masks"]
        assert made.private
        assert {"README.md", "data/masks/masks.parquet", "study.zip"} <= set(made.files)
        assert "may not write to alice/masks" in told(refused)
        assert "There is no model to hand over yet." in told(none)
        for each in (done, refused):
            assert not any(token in told(each) for token in (TOKEN, READER))
        # A Hub that has gone silent is given up.
        assert get_session().timeout.read == HUB_ANSWER_SECONDS


def test_a_pushed_study_is_pulled_on_another_machine(study: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with FakeHub() as hub:
        env = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN}
        imil("push", study, "--repo", "alice/masks", home=tmp_path, **env)

        done = imil("pull", "--repo", "alice/masks", home=other, **env)
        hub.put("alice/none", {}, kind="datasets")
        none = imil("pull", "--repo", "alice/none", home=other, **env)

    assert done.exit_code == 0, told(done)
    store = LocalStore(other / "store")
    (opened,) = {study_of(name) for name in store.names("studies/")}
    assert opened is not None
    assert opened != study
    assert f"is here as {opened}" in done.output
    assert len(store.of_study(opened)) == 1
    assert "There is no study in alice/none." in told(none)


def test_a_model_is_written_as_onnx_from_the_command_line(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    model = build("film_net", classes=2, channels=1, size=32, seed=0)
    about = {"schema_version": 1, "backbone": "film_net", "classes": ["a", "b"]}
    config = about | {"channels": 1, "size": 32}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(weights_to_bytes(model))

    done = imil("export-onnx", str(tmp_path), str(tmp_path / "model.onnx"), home=tmp_path)

    assert done.exit_code == 0, told(done)
    assert "opset 18, images of 1 × 32 × 32 in 0-1" in done.stdout
    assert onnx.load(tmp_path / "model.onnx").opset_import[0].version == 18


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout of an app, with a file that git does not track."""
    root = tmp_path / "app"
    root.mkdir()
    for name in ("README.md", "app.py", "secret.txt"):
        (root / name).write_text(f"# {name}\n")
    for command in (["init", "-q"], ["add", "README.md", "app.py"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def test_the_tracked_files_are_published_as_a_space(checkout: Path, tmp_path: Path) -> None:
    with FakeHub() as hub:
        env = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN}

        first = imil("space", "alice/imil", "--root", str(checkout), home=tmp_path, **env)

        assert first.exit_code == 0, told(first)
        made = hub.repos["spaces/alice/imil"]
        assert made.private
        assert sorted(made.files) == [".gitattributes", "README.md", "app.py"]
        assert hub.settings == {"spaces/alice/imil/hardware": "zero-a10g"}


def test_make_publishes_all_that_is_tracked_here_with_its_variable_and_secret(
    tmp_path: Path,
) -> None:
    # "-o": the environment that the tests run in is the one to use, and not to be made.
    make = ("make", "-C", str(ROOT), "-o", ".venv/installed", f"BIN={Path(sys.executable).parent}")
    with FakeHub() as hub:
        env = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN, "IMIL_HOME": str(tmp_path)}
        given = (
            "REPO=alice/imil",
            "STATE_REPO=alice/state",
            "SPACE_TOKEN=hf_only_state",
            "HARDWARE=t4-small",
        )
        done = subprocess.run(
            [*make, "space", *given],
            env=os.environ | env,
            capture_output=True,
            text=True,
            check=False,
        )
        unnamed = subprocess.run([*make, "space"], capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr
        tracked = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        made = hub.repos["spaces/alice/imil"]
        assert set(tracked.stdout.split()) <= {*made.files, ".gitattributes"}
        assert {"app.py", "README.md", "requirements.txt"} <= set(made.files)
        assert made.files["requirements.txt"].data == (ROOT / LOCK).read_bytes()
        assert hub.settings == {
            "spaces/alice/imil/hardware": "t4-small",
            "spaces/alice/imil/variables/IMIL_STATE_REPO": "alice/state",
            "spaces/alice/imil/secrets/HF_TOKEN": "hf_only_state",
        }
        assert "hf_only_state" not in done.stdout + done.stderr
        assert unnamed.returncode != 0
        assert "Name the Space: make space REPO=owner/name" in unnamed.stdout


def test_variable_and_secret_are_set_where_they_are_given(checkout: Path, tmp_path: Path) -> None:
    with FakeHub() as hub:
        env = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN, "SPACE_TOKEN": "hf_only_state"}
        given = ("--state-repo", "alice/state", "--secret-from", "SPACE_TOKEN")

        done = imil("space", "alice/imil", "--root", str(checkout), *given, home=tmp_path, **env)

        assert hub.settings == {
            "spaces/alice/imil/hardware": "zero-a10g",
            "spaces/alice/imil/variables/IMIL_STATE_REPO": "alice/state",
            "spaces/alice/imil/secrets/HF_TOKEN": "hf_only_state",
        }
        assert "hf_only_state" not in told(done)
        asked = ("--secret-from", "NO_SUCH")
        none = imil("space", "alice/imil", "--root", str(checkout), *asked, home=tmp_path, **env)
        assert "NO_SUCH is not set." in told(none)


def test_a_folder_that_is_no_checkout_is_not_published(tmp_path: Path) -> None:
    done = imil("space", "alice/imil", "--root", str(tmp_path), home=tmp_path, HF_TOKEN=TOKEN)

    assert "There is no checkout of the app" in told(done)


def test_hardware_that_the_account_can_not_have_is_told_with_the_way_out(
    checkout: Path, tmp_path: Path
) -> None:
    with FakeHub() as hub:
        hub.faults.append(Fault("POST /api/repos/create", status=402))
        env = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN}
        given = ("--root", str(checkout), "--hardware", "cpu-basic")

        done = imil("space", "alice/imil", *given, home=tmp_path, **env)

        assert done.exit_code != 0
        assert "paid plan" in told(done)
        assert "cpu-basic" in told(done)
        assert hub.repos == {}
