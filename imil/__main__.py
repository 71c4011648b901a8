"""`python -m imil`: the same study without a screen."""

from __future__ import annotations

from imil.cli.main import main

if __name__ == "__main__":
    main()
