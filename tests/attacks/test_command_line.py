"""Numbers that no study can have, given to the command line: refused before anything begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from imil.cli.main import app
from imil.errors import ImilError
from imil.synthetic.films import FilmSpec, write_films

# More digits than a float holds, and more than Python reads.
NUMBERS = ("nan", "inf", "-inf", "-1", "1e308", "9" * 400, "9" * 5000, "é", "")
USAGE = 2  # exit status of what the command line itself refuses


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "films"
    for _ in write_films(FilmSpec(images=20, size=32), out):
        pass
    return out


def refused(*command: str) -> bool:
    """Return whether a command ended with a sentence: its own, or that of the command line."""
    done = CliRunner().invoke(app, command)
    in_words = isinstance(done.exception, ImilError)
    return in_words or (isinstance(done.exception, SystemExit) and done.exit_code == USAGE)


@pytest.mark.parametrize(
    "option", ["images", "size", "shortcut", "label-noise", "distractors", "seed"]
)
def test_films_of_no_sound_number_are_not_drawn(option: str, tmp_path: Path) -> None:
    out = tmp_path / "films"

    kept = [n for n in NUMBERS if not refused("films", "--out", str(out), f"--{option}={n}")]

    assert kept == []
    assert not out.exists()


@pytest.mark.parametrize(
    "option",
    ["epochs", "epochs-after", "budget", "size", "threads", "seeds", "shares", "view"],
)
def test_a_run_of_no_sound_number_begins_nothing(
    option: str, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*_: object, **__: object) -> None:
        raise AssertionError("a training was begun")

    monkeypatch.setattr("imil.cli.main.WorkerPool", begun)
    given = ("run", "--data", str(films), "--out", str(tmp_path / "out"))

    kept = [n for n in NUMBERS if not refused(*given, f"--{option}={n}")]

    assert kept == []


@pytest.mark.parametrize(
    "given",
    [
        ("--seeds", ",".join(map(str, range(51)))),
        ("--seeds", str(2**31)),
        ("--arms", ",".join(f"imil+{share}%" for share in range(1, 101))),
        ("--arms", "right_reason+1e308"),
        ("--arms", "x" * 10**6),
        ("--backbone", "x" * 10**6),
        ("--threads", "1000000"),
    ],
)
def test_a_run_of_too_much_begins_nothing(
    given: tuple[str, str], films: Path, tmp_path: Path
) -> None:
    assert refused("run", "--data", str(films), "--out", str(tmp_path / "out"), *given)


def test_what_a_refusal_quotes_is_short(films: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")

    done = CliRunner().invoke(
        app, ["run", "--data", str(films), "--out", out, "--arms", "x" * 10**6]
    )

    assert isinstance(done.exception, ImilError)
    assert len(str(done.exception)) < 1000
