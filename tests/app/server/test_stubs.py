"""The app starts without what only editors need."""

from __future__ import annotations

import subprocess
import sys

# How often Gradio's sources are parsed while it is imported, and whether it is as it was.
COUNT = """
import ast, inspect
parse, find, parsed = ast.parse, inspect.getfile, []
ast.parse = lambda *given, **more: parsed.append(given) or parse(*given, **more)
from imil.app.server.stubs import without_stubs
with without_stubs():
    import gradio
assert inspect.getfile is find
assert inspect.getfile(gradio.Button).endswith("button.py")
assert callable(gradio.Button.click)
print(len(parsed))
"""


def test_gradio_is_imported_whole_and_without_parsing_its_sources() -> None:
    told = subprocess.run(
        [sys.executable, "-c", COUNT], check=True, capture_output=True, text=True, timeout=90
    )
    assert int(told.stdout) < 20  # 168 otherwise
