"""What the environment says, read once by the app and the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imil.core.bounds import quoted
from imil.errors import PlanError

# What a Space has whose front matter says `hf_oauth`.
_OAUTH = (
    "SPACE_ID",
    "OAUTH_CLIENT_ID",
    "OAUTH_CLIENT_SECRET",
    "OAUTH_SCOPES",
    "OPENID_PROVIDER_URL",
)

# owner/name, as on the Hub.
_REPO_ID = r"[\w.-]{1,100}/[\w.-]{1,100}"

# Two, such as two arms. Each takes 300 MB or more. Our choice.
WORKERS = "2"

# Days on a Space, whose visitors are strangers to its owner: a quarter, longer than a review takes.
# On one's own machine nothing is deleted unasked.
SPACE_DAYS = "90"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process.

    Attributes:
        home: where local state lives (`IMIL_HOME`).
        device: "auto", "cpu" or "cuda" (`IMIL_DEVICE`).
        demo: open on the demo study (`IMIL_DEMO`).
        endpoint: the Hub's address (`HF_ENDPOINT`); None for the usual one.
        token: secret for the Hub (`HF_TOKEN`); never shown.
        state_repo: the data set where state is kept (`IMIL_STATE_REPO`); None = on this machine.
        sign_in: visitors can sign in: this is a Space, and has what OAuth needs.
        idle_days: days without a visit after which a study's images and models are deleted here
            (`IMIL_IDLE_DAYS`); 0 for never.
        workers: processes that train side by side, where there are as many cores (`IMIL_WORKERS`).
        space: this is a Space: whoever visits comes through its proxy.
        select_model: the model behind the tool Select (`IMIL_SELECT_MODEL`), `owner/name` on the
            Hub with `@revision` where one is pinned; None = brightness and colour decide.
        space_id: the Space's id on the Hub (`SPACE_ID`, which it sets itself); None elsewhere.
        zero: GPUs are lent by ZeroGPU (`SPACES_ZERO_GPU`, which such a Space sets itself).
    """

    home: Path
    device: str = "auto"
    demo: bool = True
    endpoint: str | None = None
    token: str | None = None
    sign_in: bool = False
    space: bool = False
    space_id: str | None = None
    zero: bool = False
    state_repo: str | None = None
    idle_days: int = 0
    workers: int = int(WORKERS)
    select_model: str | None = None

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
            endpoint=_endpoint(env),
            token=env.get("HF_TOKEN") or None,
            state_repo=_repo(env),
            select_model=_select_model(env),
            # Anywhere else Gradio would ask the Hub for the owner of this machine's own token.
            sign_in=env.get("SYSTEM") == "spaces" and all(env.get(name) for name in _OAUTH),
            space=env.get("SYSTEM") == "spaces",
            space_id=_space_id(env),
            idle_days=_days(env),
            workers=_workers(env),
            # As the package of that name reads it.
            zero=env.get("SPACES_ZERO_GPU", "").lower() in {"1", "t", "true"},
        )


def _space_id(env: Mapping[str, str]) -> str | None:
    found = env.get("SPACE_ID", "")
    return found if re.fullmatch(_REPO_ID, found, re.ASCII) else None


def _days(env: Mapping[str, str]) -> int:
    value = env.get("IMIL_IDLE_DAYS") or ("0" if env.get("SYSTEM") != "spaces" else SPACE_DAYS)
    if not re.fullmatch(r"\d{1,4}", value, re.ASCII):
        raise PlanError(
            f"IMIL_IDLE_DAYS is {quoted(value)}.",
            why="It is no number of days from 0 to 9999.",
            fix="Set it to a number such as 90, or to 0 to delete nothing unasked.",
        )
    return int(value)


def _workers(env: Mapping[str, str]) -> int:
    value = env.get("IMIL_WORKERS") or WORKERS
    if not re.fullmatch(r"[1-9]\d?", value, re.ASCII):
        raise PlanError(
            f"IMIL_WORKERS is {quoted(value)}.",
            why="It is no number of processes from 1 to 99.",
            fix=f"Set it to a number such as {WORKERS}, or to 1 where memory is short.",
        )
    return int(value)


def _endpoint(env: Mapping[str, str]) -> str | None:
    value = env.get("HF_ENDPOINT") or None
    if value is not None and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value, re.ASCII):
        raise PlanError(
            "HF_ENDPOINT is no address.",
            why="It says where the Hub is, as in https://huggingface.co.",
            fix="Set it to such an address, or leave it unset for the usual one.",
        )
    return value


def _repo(env: Mapping[str, str]) -> str | None:
    value = env.get("IMIL_STATE_REPO") or None
    if value is not None and not re.fullmatch(_REPO_ID, value, re.ASCII):
        raise PlanError(
            f"IMIL_STATE_REPO is {quoted(value)}.",
            why="It names no data set on the Hub.",
            fix="Set it to owner/name, or leave it unset to keep everything on this machine.",
        )
    return value


def _select_model(env: Mapping[str, str]) -> str | None:
    value = env.get("IMIL_SELECT_MODEL") or None
    name = r"[\w.-]{1,100}/[\w.-]{1,100}(@[\w.-]{1,100})?"
    if value is not None and not re.fullmatch(name, value, re.ASCII):
        raise PlanError(
            f"IMIL_SELECT_MODEL is {quoted(value)}.",
            why="It names no model on the Hub.",
            fix="Set it to owner/name or owner/name@revision, or leave it unset.",
        )
    return value


def _one_of(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = env.get(name) or choices[0]
    if value not in choices:
        raise PlanError(
            f"{name} is {quoted(value)}.",
            why="The app can't tell what is meant.",
            fix=f"Set it to one of {', '.join(choices)}, or leave it unset.",
        )
    return value
