"""No byte from outside is ever run: nothing in the program unpickles, evaluates or loads code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.standins.documents import ROOT

FOLDERS = ("imil", "benchmarks")
FILES = sorted([ROOT / "app.py", *(p for name in FOLDERS for p in (ROOT / name).rglob("*.py"))])

# Modules that make objects, or code, of bytes.
BANNED = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
# Of a module that may be imported, the one name that is allowed, and why.
ALLOWED = {
    # The class of what torch raises where `weights_only` meets anything but tensors.
    ("imil/models/pretrained.py", "pickle"): {"UnpicklingError"},
}


def found_in(source: str, name: str) -> Iterator[str]:
    """Yield what a module does that could run a stranger's bytes."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            taken = {alias.name.partition(".")[0] for alias in node.names} & BANNED
            yield from (f"imports {each}" for each in taken if (name, each) not in ALLOWED)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in BANNED:
            yield f"imports from {node.module}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr not in ALLOWED.get((name, node.value.id), {node.attr}):
                yield f"uses {node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call):
            yield from _calls(node)


def _calls(call: ast.Call) -> Iterator[str]:
    called = ast.unparse(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if called in {"eval", "exec", "compile", "__import__"}:
        yield f"calls {called}"
    if called == "torch.load" and given.get("weights_only") != "True":
        yield f"{called} without weights_only=True"
    if called in {"np.load", "numpy.load"} and given.get("allow_pickle") != "False":
        yield f"{called} without allow_pickle=False"
    if called in {"np.save", "np.savez"} and given.get("allow_pickle", "False") != "False":
        yield f"{called} with pickles"
    if called in {"yaml.load", "yaml.unsafe_load", "yaml.full_load"}:
        yield called
    if given.get("trust_remote_code", "False") != "False":
        yield f"{called} trusts remote code"
    if given.get("shell", "False") != "False":
        yield f"{called} goes through a shell"


def test_no_module_runs_a_byte_from_outside() -> None:
    names = {file.relative_to(ROOT).as_posix(): file for file in FILES}

    found = {name: list(found_in(file.read_text(), name)) for name, file in names.items()}

    assert {name: what for name, what in found.items() if what} == {}
    assert len(found) > 200


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "yaml.load(text)",
        "datasets.load_dataset(x, trust_remote_code=True)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert list(found_in(line, "x.py")) != []
