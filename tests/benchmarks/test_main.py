from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import app
from imil.cli.main import main
from imil.synthetic.films import FilmSpec, write_films


def called(
    *arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Return the exit code, what was printed and what was said of errors."""
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit) as ended:
        main(app)
    return int(ended.value.code or 0), *capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["films", "--shortcuts", "a"], "“a” is no list of shares"),
        (["films", "--size", "500"], "can't take images of 500 px"),
        (["films", "--arms", "magic"], "no arm “magic”"),
        (["images", "--data", "/nowhere"], "no folder “nowhere”"),
        (["images", "--data", "{films}", "--arms", "magic"], "no arm “magic”"),
    ],
)
def test_bad_input_exits_with_what_why_and_fix(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    text: str,
) -> None:
    for _ in write_films(FilmSpec(images=20, size=32), tmp_path / "films"):
        pass
    filled = [argument.format(films=tmp_path / "films") for argument in arguments]

    code, _, said = called(
        *filled, "--out", str(tmp_path / "out"), monkeypatch=monkeypatch, capsys=capsys
    )

    assert code == 2
    what, why, fix = said.strip().splitlines()[-3:]
    assert text in what
    assert (what[:7], why[:5], fix[:5]) == ("Error: ", "Why: ", "Fix: ")
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "bench.json").exists()


@pytest.mark.parametrize("command", [[], ["films"], ["images"]])
def test_every_benchmark_explains_itself(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, _ = called(*command, "--help", monkeypatch=monkeypatch, capsys=capsys)

    assert code == 0
    assert "Usage" in told
