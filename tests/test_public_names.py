"""Each public name of the package is defined once, so that one name means one thing."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_no_public_name_is_defined_in_two_modules() -> None:
    homes: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "imil").rglob("*.py")):
        for name in defined(ast.parse(path.read_text())):
            homes[name].add(str(path.relative_to(ROOT)))

    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def defined(module: ast.Module) -> Iterator[str]:
    """Yield the public functions, classes and constants of a module."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            inside = (each for target in targets for each in ast.walk(target))
            names = [each.id for each in inside if isinstance(each, ast.Name)]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))
