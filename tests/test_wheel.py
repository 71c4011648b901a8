"""An installed imil has all that a checkout has: nothing is read from beside the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.request import urlopen

import pytest
from gradio_client import Client

from imil.synthetic.films import FilmSpec, write_films
from tests.browser.serving import Server, serve
from tests.standins.documents import ROOT

pytestmark = [
    pytest.mark.slow,
    # The client leaves sockets and event loops open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

BUILT_FROM = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel of a clean copy, and install it into an empty folder; asks no registry."""
    folder = tmp_path_factory.mktemp("wheel")
    source, target = folder / "source", folder / "installed"
    shutil.copytree(ROOT / "imil", source / "imil", ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    alone = ["--no-index", "--no-deps"]
    built = [*pip, "wheel", *alone, "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    _done(built, folder)
    (wheel,) = folder.glob("imil-*.whl")
    _done([*pip, "install", *alone, "--no-compile", "--target", str(target), str(wheel)], folder)
    shutil.rmtree(source)
    return target


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve the app by `app.py` alone, which lies beside nothing of the checkout."""
    alone = tmp_path_factory.mktemp("alone")
    shutil.copy(ROOT / "app.py", alone)
    env = {"PYTHONPATH": str(installed)}
    with serve(alone / "home", env=env, root=alone) as running:
        yield running


def test_the_installed_package_is_what_is_imported(installed: Path) -> None:
    told = _done([sys.executable, "-c", "import imil; print(imil.__file__)"], installed)

    assert Path(told.strip()) == installed / "imil" / "__init__.py"


def test_every_file_of_the_package_is_in_the_wheel(installed: Path) -> None:
    ours = [p.relative_to(ROOT) for p in (ROOT / "imil").rglob("*") if p.is_file()]

    lacking = [
        str(path)
        for path in ours
        if path.suffix not in {".pyc", ".pyi"} and not (installed / path).is_file()
    ]

    assert lacking == []


def test_the_page_finds_every_file_that_it_names(server: Server) -> None:
    page = _read(server.url).decode()

    named = {
        urljoin(f"{server.url}/", path) for path in re.findall(r'(?:src|href)="([^"]+)"', page)
    }
    own = {url for url in named if urlsplit(url).netloc == urlsplit(server.url).netloc}

    assert own
    assert all(_read(url) for url in own)
    assert _read(f"{server.url}/favicon.ico").startswith(b"<svg")


def test_the_demo_begins_trained(server: Server) -> None:
    client = Client(server.url, verbose=False)

    study = client.predict(api_name="/open_demo")["study"]

    told = client.predict(study, api_name="/training_status")
    assert told["training"]["state"] == "done"


def test_a_run_ends_with_its_report(installed: Path, tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "results"
    for _ in write_films(FilmSpec(images=40, size=32), films):
        pass

    run = f"run --data {films} --out {out} --masks reference --epochs 1 --epochs-after 1"
    imil = str(installed / "bin" / "imil")
    _done([imil, *run.split(), "--arms", "imil", "--seeds", "0", "--threads", "1"], installed)

    assert (out / "results.json").is_file()
    assert "<style>" in (out / "report.html").read_text(encoding="utf-8")


def _done(command: list[str], path: Path) -> str:
    """Run a command which imports what lies in a folder; return what it prints."""
    done = subprocess.run(
        command,
        cwd=path.parent,
        env=os.environ | {"PYTHONPATH": str(path), "IMIL_HOME": str(path.parent / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _read(url: str) -> bytes:
    with urlopen(url, timeout=30) as answer:  # noqa: S310  # our own server
        return bytes(answer.read())
