"""The documents are true: commands work, links lead somewhere, files and modules exist."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import imil
from benchmarks.__main__ import app as benchmarks
from imil.app.header.header import GLOSSARY
from imil.cli.main import app
from imil.core.records import Arm, Queue
from tests.standins.documents import ROOT, Command, Document, documents

PAGES = documents()
COMMANDS = [command for page in PAGES for command in page.commands()]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
(_CI_LINE,) = re.findall(r"^make (.*)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
CI = set(_CI_LINE.split())
SETTINGS = (ROOT / "imil" / "settings.py").read_text(encoding="utf-8")
VARIABLES = set(re.findall(r"\"((?:IMIL|HF)_[A-Z_]+)\"", SETTINGS))
# The page whose films and run are small enough to be run as they stand.
FIRST_RUN = "docs/command-line.md"
# Our command lines, by the package that is run.
OUR_APPS = {"imil": app, "benchmarks": benchmarks}
# As it is called on a page, and in the project's own environment.
OURS = {"python", ".venv/bin/python"}


class Kind(StrEnum):
    """What is done with a command of the documents."""

    RUN = "run by this file, as it stands"
    CI = "run by .ci/run"
    MAKE = "of the Makefile: its target exists, and its variables are read"
    PYTEST = "a part of make test or make soak: its files exist, and are marked as it says"
    PARSED = "takes minutes, or needs a study, data, an account or a GPU: read as it would be"
    HUB = "of the Hub's client, and needs an account: its options are those of --help"
    LAUNCH = "needs several GPUs: its options are those of --help, and ours are read"
    NONE = "nothing tries it"


def kind_of(command: Command) -> Kind:
    words = command.words
    if words[0] == "make":
        return Kind.CI if set(words[1:]) <= CI else Kind.MAKE
    if words[0] in OURS and words[1:3] == ["-m", "pytest"]:
        return Kind.PYTEST
    if words[0] in OURS and words[1] == "-m" and words[2] in OUR_APPS:
        short = command.page == FIRST_RUN and words[2] == "imil" and words[3] in {"films", "run"}
        return Kind.RUN if short else Kind.PARSED
    if words[0] == "hf":
        return Kind.HUB
    return Kind.LAUNCH if words[:2] == ["accelerate", "launch"] else Kind.NONE


def of_kind(*kinds: Kind) -> list[Any]:
    found = [command for command in COMMANDS if kind_of(command) in kinds]
    return [pytest.param(each, id=f"{each.page}: {each.text[:60]}") for each in found]


def run(
    *words: str, within: Path, home: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=within,
        env=os.environ | {"PYTHONPATH": str(ROOT), "IMIL_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def read_by_us(package: str, arguments: list[str]) -> None:
    """Read arguments of `python -m PACKAGE` as its command line does, and do nothing.

    Raises:
        click.UsageError: there is no such command or option, or a value can't be read.
    """
    command: Any = typer.main.get_command(OUR_APPS[package])
    context = command.make_context(package, list(arguments), resilient_parsing=False)
    rest = list(arguments)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        assert name in command.commands, f"There is no command “{name}”"
        command = command.commands[name]
        context = command.make_context(name, list(rest), parent=context)


def options_in(help_text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", help_text))


# ---- commands ----


def test_every_command_is_run_or_read_here_or_run_by_ci() -> None:
    kinds = {kind_of(command) for command in COMMANDS}

    assert [command for command in COMMANDS if kind_of(command) is Kind.NONE] == []
    assert [c for c in COMMANDS if not set(c.environment) <= {*VARIABLES, "SPACE_TOKEN"}] == []
    assert {Kind.RUN, Kind.CI, Kind.PYTEST, Kind.PARSED} <= kinds


@pytest.mark.parametrize("command", of_kind(Kind.MAKE))
def test_make_commands_are_in_the_makefile(command: Command) -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    words = command.words[1:]

    assert {word for word in words if "=" not in word} <= targets
    for variable in (word.partition("=")[0] for word in words if "=" in word):
        assert f"$({variable})" in MAKEFILE or f"{variable} ?=" in MAKEFILE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_commands_in_the_text_are_in_the_makefile(page: Document) -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))

    named = [code.split()[1:] for code in page.code() if code.startswith("make ")]

    assert {word for words in named for word in words if "=" not in word} <= targets


@pytest.mark.parametrize("command", of_kind(Kind.PYTEST))
def test_tests_that_are_named_exist_and_are_marked_so(command: Command) -> None:
    words = command.words[3:]
    files = [word for word in words if word.startswith("tests/")]

    assert files
    for file in files:
        assert (ROOT / file).is_file()
        if "soak" in words:
            assert "pytest.mark.soak" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", of_kind(Kind.PARSED, Kind.RUN))
def test_our_commands_are_read_by_the_command_line(command: Command) -> None:
    read_by_us(command.words[2], command.words[3:])


def test_a_command_with_an_option_that_is_not_there_would_be_found() -> None:
    with pytest.raises(Exception, match="--no-such-option"):
        read_by_us("imil", ["run", "--data", "films", "--out", "results", "--no-such-option"])
    with pytest.raises(AssertionError, match="no-such-command"):
        read_by_us("imil", ["no-such-command"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_our_commands_and_options_in_the_text_exist(page: Document) -> None:
    for code in page.code():
        words = code.split()
        if words[:2] != ["python", "-m"] or words[2] not in OUR_APPS:
            continue
        command: Any = typer.main.get_command(OUR_APPS[words[2]])
        known = {"--help"}
        for word in words[3:]:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
                known |= {option for each in command.params for option in each.opts}
            elif word.startswith("--"):
                assert word in known, code
            else:
                assert not hasattr(command, "commands"), code


def options_of(command: Any) -> set[str]:
    """Return the options of a command and of all below it."""
    below = getattr(command, "commands", {}).values()
    own = {o for each in command.params for o in (*each.opts, *each.secondary_opts)}
    return own.union(*(options_of(each) for each in below))


@pytest.mark.parametrize("name", ["command-line.md", "data.md", "method.md"])
def test_options_that_are_explained_exist(name: str) -> None:
    page = Document(ROOT / "docs" / name)
    apps: list[Any] = [typer.main.get_command(each) for each in OUR_APPS.values()]
    ours = {"--help"}.union(*map(options_of, apps))

    named = {word for code in page.code() for word in code.split() if re.match(r"--\w", word)}

    families = {word.removesuffix("…") for word in named if word.endswith("…")}
    assert {word for word in named if not word.endswith("…")} <= ours
    assert all(any(option.startswith(family) for option in ours) for family in families)


@pytest.mark.slow
def test_the_first_run_runs_as_it_stands_and_writes_what_is_said(tmp_path: Path) -> None:
    commands = [command for command in COMMANDS if kind_of(command) is Kind.RUN]
    assert [command.words[3] for command in commands] == ["films", "run"]

    for command in commands:
        done = run(*command.words[2:], within=tmp_path, home=tmp_path / "home")
        assert done.returncode == 0, done.stderr

    told = [row[0] for row in Document(ROOT / FIRST_RUN).rows() if "." in row[0]]
    files = {name.strip("`") for name in told if re.fullmatch(r"`\w+\.\w+`", name)}
    optional = {"predicted_masks.parquet"}  # as the page says
    assert {"results.json", "results.csv", "report.html", "gain.svg"} | optional == files
    assert all((tmp_path / "results" / name).is_file() for name in files - optional)


@pytest.mark.slow
def test_commands_of_the_hubs_client_have_the_options_that_it_has(tmp_path: Path) -> None:
    for command in (command for command in COMMANDS if kind_of(command) is Kind.HUB):
        words = command.words[1:]
        named = list(takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), words))

        told = run(
            *("huggingface_hub.cli.hf", *named, "--help"),
            within=tmp_path,
            home=tmp_path,
            COLUMNS="200",
        )

        assert told.returncode == 0, told.stderr
        # What the client runs elsewhere comes after a shell's `-c`.
        client = takewhile(lambda word: word != "-c", words[len(named) :])
        options = {word.partition("=")[0] for word in client if re.match(r"--?[a-z]", word)}
        assert options <= options_in(told.stdout)


@pytest.mark.slow
def test_launches_on_several_gpus_are_read_by_launcher_and_command_line(tmp_path: Path) -> None:
    told = run(
        *("accelerate.commands.accelerate_cli", "launch", "--help"), within=tmp_path, home=tmp_path
    )
    assert told.returncode == 0, told.stderr

    for words in (command.words for command in COMMANDS if kind_of(command) is Kind.LAUNCH):
        ours = words.index("imil")
        launcher = {word for word in words[2:ours] if word.startswith("--")}
        assert launcher <= options_in(told.stdout)
        read_by_us("imil", words[ours + 1 :])


# ---- links, files, modules ----


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_page_and_a_heading_that_are_there(page: Document) -> None:
    broken = [link for link in page.links() if not _leads_somewhere(page, link)]

    assert broken == []


def _leads_somewhere(page: Document, link: str) -> bool:
    """Return whether a link leads to a file of the project and a heading in it, or to the web."""
    address, _, anchor = link.partition("#")
    if address.startswith(("https://", "http://127.0.0.1")):
        return True
    target = page.path.parent / address if address else page.path
    if "://" in address or not target.exists() or not target.resolve().is_relative_to(ROOT):
        return False
    return not anchor or anchor in Document(target).anchors()


def test_every_page_is_found_from_the_index_by_links() -> None:
    found, waiting = set[Path](), [ROOT / "docs" / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in found or path.suffix != ".md" or not path.exists():
            continue
        found.add(path)
        page = Document(path)
        links = (link.partition("#")[0] for link in page.links() if "://" not in link)
        waiting += [(path.parent / link).resolve() for link in links if link]

    assert {page.path for page in PAGES if page.name.startswith("docs/")} - found == set()


def test_the_index_of_decisions_names_each_once() -> None:
    folder = ROOT / "docs" / "decisions"

    named = [link for link in Document(folder / "README.md").links() if "/" not in link]

    assert sorted(named) == sorted(path.name for path in folder.glob("[0-9]*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_modules_that_are_named_exist(page: Document) -> None:
    named = re.compile(r"(?<![\w./:-])(?:docs|tests|assets|imil|benchmarks)/[\w./-]*")
    paths = [path for code in page.code() for path in named.findall(code)]
    # All but `imil.json`, a file in repos on the Hub.
    modules = [c for c in page.code() if re.fullmatch(r"imil(\.\w+)+", c) and c != "imil.json"]

    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [name for name in modules if not _importable(name)] == []


def _importable(name: str) -> bool:
    """Return whether a module is there, or what a module defines."""
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return False


def test_the_architecture_names_every_package_in_the_order_of_imports() -> None:
    page = Document(ROOT / "docs" / "architecture.md")
    cells = [row[0] for row in page.rows() if row[0].startswith("`imil.")]
    named = [name for cell in cells for name in re.findall(r"`imil\.(\w+)`", cell)]
    packages = {path.parent.name for path in (ROOT / "imil").glob("*/__init__.py")}
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r"^  \"(imil\..*)\",$", contracts, re.MULTILINE)
    rank = {
        name: place
        for place, layer in enumerate(layers)
        for name in re.findall(r"imil\.(\w+)", layer)
    }

    ranks = [rank[name] for name in named if name in rank]

    assert packages | set(rank) - {"__main__"} <= set(named)
    assert ranks == sorted(ranks)


def test_the_method_names_every_arm_and_every_queue() -> None:
    first = [row[0] for row in Document(ROOT / "docs" / "method.md").rows()]
    named = {name for cell in first for name in re.findall(r"`([a-z_]+)`", cell)}

    assert {arm.value for arm in Arm} | {queue.value for queue in Queue} <= named


def test_the_glossary_has_the_words_that_the_screen_explains() -> None:
    rows = Document(ROOT / "docs" / "glossary.md").rows()
    words = {row[0].strip("*`").lower() for row in rows}

    assert {word.lower() for word, _ in GLOSSARY} - words == set()


# ---- citation and changelog ----


def test_the_citation_has_what_its_format_requires_and_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    assert cited["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(cited)
    assert cited["authors"]
    assert cited["type"] == "software"
    assert cited["license"] == "Apache-2.0"
    assert cited["version"] == imil.__version__
    (paper,) = cited["references"]
    assert {"type", "title", "authors"} <= set(paper)
    assert (paper["start"], paper["end"], paper["year"]) == (5241, 5250, 2024)
    assert next(author["family-names"] for author in paper["authors"]) == "Rao"


def test_the_changelog_begins_with_what_is_unreleased_and_has_this_version() -> None:
    page = Document(ROOT / "CHANGELOG.md")

    versions = re.findall(r"^## \[([^\]]*)\]", page.body, re.MULTILINE)
    kinds = set(re.findall(r"^### (.*)$", page.body, re.MULTILINE))

    assert versions[:2] == ["Unreleased", imil.__version__]
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_documents_that_the_code_refers_to_exist() -> None:
    named = {
        name
        for path in (ROOT / "imil").rglob("*.py")
        for name in re.findall(r"docs/[\w./-]*[\w/]", path.read_text(encoding="utf-8"))
    }
    # A decision is referred to by its number.
    decisions = {path.name[:4] for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}

    missing = {name for name in named if not (ROOT / name).exists()}

    assert {name.removeprefix("docs/decisions/") for name in missing} <= decisions
