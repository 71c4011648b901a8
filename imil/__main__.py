"""`python -m imil`: the same study without a screen."""

from __future__ import annotations

import sys


def _main() -> None:
    """Run the command line; `inspect` alone, since it needs no torch, which takes seconds."""
    if sys.argv[1:2] == ["inspect"]:
        from imil.cli import inspect as command  # noqa: PLC0415  # as said above
    else:
        from imil.cli import main as command  # type: ignore[no-redef]  # noqa: PLC0415  # the same
    command.main()


if __name__ == "__main__":
    _main()
