"""What the environment says, read once by the app and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imil.errors import PlanError


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process.

    Attributes:
        home: where local state lives (`IMIL_HOME`).
        device: "auto", "cpu" or "cuda" (`IMIL_DEVICE`).
        demo: open on the demo study (`IMIL_DEMO`).
        endpoint: the Hub's address (`HF_ENDPOINT`); None for the usual one.
        token: secret for the Hub (`HF_TOKEN`); never shown.
    """

    home: Path
    device: str = "auto"
    demo: bool = True
    endpoint: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        """Leave the token out, so that no log or traceback can hold it."""
        return f"Settings(home={str(self.home)!r}, device={self.device!r}, demo={self.demo})"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Return the settings that the variables give.

        Raises:
            PlanError: a variable has a value that means nothing.
        """
        home = env.get("IMIL_HOME") or str(Path("~/.cache/imil"))
        return cls(
            home=Path(home).expanduser(),
            device=_one_of(env, "IMIL_DEVICE", ("auto", "cpu", "cuda")),
            demo=_one_of(env, "IMIL_DEMO", ("1", "0")) == "1",
            endpoint=env.get("HF_ENDPOINT") or None,
            token=env.get("HF_TOKEN") or None,
        )


def _one_of(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = env.get(name) or choices[0]
    if value not in choices:
        raise PlanError(
            f"{name} is “{value}”.",
            why="The app can't tell what is meant.",
            fix=f"Set it to one of {', '.join(choices)}, or leave it unset.",
        )
    return value
