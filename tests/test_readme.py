"""The README is short, says what IMIL is not for, and promises what is in the project."""

from __future__ import annotations

import re

from tests.standins.documents import ROOT, Document, documents

README = Document(ROOT / "README.md")
# Words of the text and of its tables; not the Space's header, code, table borders or addresses.
MOST_WORDS = 900


def test_it_is_read_in_a_few_minutes() -> None:
    assert 300 < len(README.words()) <= MOST_WORDS


def test_it_says_before_the_first_command_that_it_is_not_for_diagnosis() -> None:
    beginning = README.body.partition("```")[0]

    assert "not for diagnosis" in beginning.lower()


def test_it_shows_one_picture_which_is_described() -> None:
    ((described, picture),) = re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", README.body)

    assert len(described) > 40
    assert (ROOT / picture).is_file()


def test_its_two_commands_install_and_serve_and_test() -> None:
    assert [command.text for command in README.commands()] == ["make run", "make test"]


def test_ci_runs_the_tests_and_checks_that_contributors_are_told_of() -> None:
    contributing = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")

    assert "make check test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "`make check test`" in contributing


def test_every_command_of_the_makefile_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    described = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())

    assert described | {"help"} == phony


def test_environment_variables_in_the_documents_are_read() -> None:
    settings = (ROOT / "imil" / "settings.py").read_text(encoding="utf-8")
    text = "\n".join(page.body for page in documents())

    named = set(re.findall(r"`((?:IMIL|HF)_[A-Z_]+)`", text))

    assert named
    assert named <= set(re.findall(r"\"((?:IMIL|HF)_[A-Z_]+)\"", settings))
