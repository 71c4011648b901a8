"""`python -m imil`: the same study without a screen."""

from __future__ import annotations

import sys


def run_command_line() -> None:
    """Run the command line; `inspect` alone, since it needs no torch, which takes seconds."""
    if sys.argv[1:2] == ["inspect"]:
        from imil.cli.inspect import inspect_main  # noqa: PLC0415  # as said above

        inspect_main()
    else:
        from imil.cli.main import main  # noqa: PLC0415  # the same

        main()


if __name__ == "__main__":
    run_command_line()
