from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from imil.cli.main import main
from tests.datasets.hub_sets import image_folder
from tests.standins.fakehub import FakeHub

pytestmark = pytest.mark.slow

QUICK = ["--size", "32", "--epochs-after", "1", "--budget", "0.1"]


def imil(*arguments: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imil", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"IMIL_HOME": str(home), "COLUMNS": "200"} | env,
        timeout=120,
    )


@dataclass(frozen=True)
class Here:
    """The command line in this process: another one would import torch again."""

    home: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def imil(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit code, what was printed and what was said of errors."""
        self.monkeypatch.setenv("IMIL_HOME", str(self.home))
        self.monkeypatch.setenv("COLUMNS", "200")
        self.monkeypatch.setattr(sys, "argv", ["imil", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *self.capsys.readouterr()


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Here:
    return Here(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "films"
    done = imil("films", "--out", str(out), "--images", "60", "--size", "48", home=out.parent)
    assert done.returncode == 0, done.stderr
    return out


def test_films_are_an_image_folder_with_reference_masks_and_groups(films: Path) -> None:
    with (films / "train" / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == 60
    assert {"file_name", "label", "patient_id", "group", "relevant_file_name"} <= set(rows[0])
    assert (films / "train" / rows[0]["file_name"]).exists()
    assert (films / "train" / rows[0]["relevant_file_name"]).exists()


def test_a_run_prints_each_figure_with_its_split_n_and_interval(
    films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    command = [
        "run", "--data", str(films), "--out", str(out), "--masks", "reference",
        "--epochs", "1", "--seeds", "0,1", *QUICK,
    ]  # fmt: skip

    done = imil(*command, "--deploy", "elsewhere", home=tmp_path)
    otherwise = imil(*command, "--deploy", "same", home=tmp_path)

    assert (otherwise.returncode, "with other settings" in otherwise.stderr) == (2, True)
    assert done.returncode == 0, done.stderr
    assert "2 of 5" in done.stdout
    assert "test, n = 24" in done.stdout
    assert "No patient in two splits." in done.stdout
    assert "not for diagnosis" in done.stdout
    assert json.loads((out / "results.json").read_bytes())["plan"]["backbone"] == "film_net"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on_and_ends_like_one_that_was_not(
    films: Path, tmp_path: Path, ending: signal.Signals
) -> None:
    def command(out: Path) -> list[str]:
        return ["run", "--data", str(films), "--out", str(out), "--masks", "reference",
                "--epochs", "30", "--threads", "1", *QUICK]  # fmt: skip

    parted, whole = tmp_path / "parted", tmp_path / "whole"
    process = subprocess.Popen(
        [sys.executable, "-m", "imil", *command(parted)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 240
    while not list(parted.rglob("first/checkpoint.safetensors")):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(ending)
    _, said = process.communicate(timeout=30)
    assert not (parted / "results.json").exists()
    if ending is signal.SIGINT:
        assert process.returncode == 130
        assert "The same command goes on where it stopped." in said

    again, reference = imil(*command(parted), home=tmp_path), imil(*command(whole), home=tmp_path)

    assert again.returncode == reference.returncode == 0
    found = [json.loads((out / "results.json").read_bytes()) for out in (parted, whole)]
    assert found[0]["round"] == found[1]["round"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "--data", "{films}", "--backbone", "vgg99"], "no backbone “vgg99”"),
        (["run", "--data", "{films}", "--arms", "magic"], "no arm “magic”"),
        (["run", "--data", "{films}", "--budget", "0"], "budget of 0 can't be used"),
        (["run", "--data", "{films}", "--budget", "1.5"], "budget of 1.5 can't be used"),
        (["run", "--data", "{films}", "--positive", "lump"], "“lump”"),
        (["run", "--data", "{films}", "--arms", "imil"], "“imil” needs masks"),
        (["run", "--data", "{films}", "--seeds", "a"], "“a” is no list of seeds"),
        (["run", "--data", "{films}", "--device", "tpu"], "no device “tpu”"),
        (["run", "--data", "/nowhere"], "no folder “nowhere”"),
        (["run", "--data", "{films}", "--external", "graz.zip"], "“graz.zip” names no external"),
        (["run", "--data", "{films}", "--external", "Graz=/nowhere"], "no folder “nowhere”"),
        (["run", "--data", "{films}", "--external-answer", "Graz:label=x"], "for no external"),
        (
            [
                "run",
                "--data",
                "{films}",
                "--external",
                "Graz={films}",
                "--external-answer",
                "Graz:values=finding = lump",
            ],
            "a label “lump”",
        ),
        (["films", "--size", "5"], "5 px"),
        (["films", "--shortcut", "2"], "shortcut"),
    ],
)
def test_bad_input_exits_with_what_why_and_fix(
    films: Path, tmp_path: Path, here: Here, arguments: list[str], text: str
) -> None:
    filled = [argument.format(films=films) for argument in arguments]

    code, _, said = here.imil(*filled, "--out", str(tmp_path / "out"))

    assert code == 2
    what, why, fix = said.strip().splitlines()[-3:]
    assert text in what
    assert (what[:7], why[:5], fix[:5]) == ("Error: ", "Why: ", "Fix: ")
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "results.json").exists()


@pytest.mark.parametrize("command", [[], ["films"], ["run"]])
def test_every_command_explains_itself(command: list[str], here: Here) -> None:
    code, told, _ = here.imil(*command, "--help")

    assert code == 0
    assert "Usage" in told


def test_a_run_on_a_hub_data_set_fetches_it_once(tmp_path: Path) -> None:
    files = image_folder(20, splits=("train",), classes=("no", "yes"))
    with FakeHub() as hub:
        hub.put("lab/films", files, kind="datasets")
        command = ["run", "--data", "hub:lab/films", "--out", str(tmp_path / "out"),
                   "--epochs", "1", *QUICK]  # fmt: skip
        first = imil(*command, home=tmp_path, HF_ENDPOINT=hub.endpoint)
        hub.log.clear()
        second = imil(*command, home=tmp_path, HF_ENDPOINT=hub.endpoint)
        asked = list(hub.log)

    assert first.returncode == 0, first.stderr
    assert "40 images taken" in first.stderr
    assert "licence cc-by-4.0" in first.stderr
    assert second.returncode == 0, second.stderr
    assert asked == []


def test_another_hospitals_labels_are_renamed_and_its_figures_printed(
    films: Path, tmp_path: Path, here: Here
) -> None:
    graz, out = tmp_path / "graz", tmp_path / "out"
    for file, content in image_folder(6, splits=("test",), classes=("normal", "lump", "?")).items():
        (graz / file).parent.mkdir(parents=True, exist_ok=True)
        (graz / file).write_bytes(content)

    code, told, said = here.imil(
        "run", "--data", str(films), "--out", str(out), "--epochs", "1", *QUICK,
        "--external", f"Graz={graz}",
        "--external-answer", "Graz:values=normal = no finding; lump = finding; ? =",
    )  # fmt: skip

    assert code == 0, said
    assert "External set Graz: 12 images taken" in said
    assert "No image looks like a training image." in said
    assert "External set Graz, n = 12" in told
    found = json.loads((out / "results.json").read_bytes())["external"]["Graz"]
    assert found["check"]["external"]["shares"] == [0.5, 0.5]
    assert "Another hospital: Graz" in (out / "report.html").read_text()
