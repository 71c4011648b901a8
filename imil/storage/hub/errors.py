"""What went wrong between this machine and the Hub, in words; and whether it passes by itself."""

from __future__ import annotations

from dataclasses import dataclass

from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

# The client's own httpx, whatever that is called in its release.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # not in its __all__

from imil.errors import StoreError

# What the Hub answers when the same request may succeed later: it is busy, another commit was
# faster, or too many came. The client repeats none of these for a commit.
_LATER = frozenset({408, 409, 412, 425, 429})
UNKNOWN_FAILURE, _MISSING = 401, 404
# The client says no more than this where an upload was cut, or it is in its offline mode.
FAILURES = (HfHubHTTPError, httpx.TransportError, RuntimeError, OSError)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request.

    Attributes:
        error: what, why and the way out.
        passes: whether it is worth trying again soon.
        quota: whether too many commits were made, which takes minutes to pass.
    """

    error: StoreError
    passes: bool
    quota: bool = False


def failure_of(
    cause: BaseException, repo: str, *, kind: str = "data set", kept: bool = True
) -> Failure:
    """Return what a failed request of the client means.

    The Hub's own words are left out: they could carry more than was meant for a screen.

    Args:
        cause: what the client raised.
        repo: the repo's id.
        kind: what people call a repo of its kind.
        kept: whether everything is on this machine, too, and is sent again by itself.
    """
    if isinstance(cause, StoreError):
        return Failure(cause, passes=False)
    if not isinstance(cause, HfHubHTTPError):
        return Failure(_unreachable(repo, None, kept=kept), passes=True)
    status = cause.response.status_code
    # Over plain http the client takes an unknown token for an unknown repo.
    if status == _MISSING or (
        isinstance(cause, RepositoryNotFoundError) and status != UNKNOWN_FAILURE
    ):
        return Failure(no_repo(repo, kind, kept=kept), passes=False)
    if status in _LATER or status >= 500:
        return Failure(_unreachable(repo, status, kept=kept), passes=True, quota=status == 429)
    return Failure(_refused(repo, status, kept=kept), passes=False)


def _unreachable(repo: str, status: int | None, *, kept: bool) -> StoreError:
    return StoreError(
        f"{repo} is out of reach: the Hub can't be reached, or broke off."
        if status is None
        else f"The Hugging Face Hub is busy (it answered {status}).",
        why=f"What is saved goes to {repo} there."
        if kept
        else f"The network is down, the Hub throttles, or something else writes to {repo}.",
        fix="Nothing is lost: it is kept on this machine, and tried again by itself."
        if kept
        else "Check the network and try again in some minutes; what is there already is not sent "
        "twice.",
    )


def silent(repo: str) -> StoreError:
    """Return the error of a Hub that has not answered in the time that somebody waits for it."""
    return StoreError(
        "The Hugging Face Hub does not answer.",
        why=f"What is kept in {repo} there, and not on this machine, can't be shown meanwhile.",
        fix="Try again in a few seconds: it is still being asked for. Nothing was changed.",
    )


def no_repo(repo: str, kind: str = "data set", *, kept: bool = True) -> StoreError:
    """Return the error of a repo that is not there for this token."""
    return StoreError(
        f"There is no {kind} {repo} on the Hub for this token.",
        why="It does not exist, or it is private and the token is not allowed to see it.",
        fix=_while_kept(
            f"Create it as a private {kind}, or correct IMIL_STATE_REPO or HF_TOKEN."
            if kept
            else "Check the id on its page, and whose token is used.",
            kept=kept,
        ),
    )


def no_token(repo: str) -> StoreError:
    """Return the error of a data set that is named without a token to write to it."""
    return StoreError(
        f"HF_TOKEN is not set, so nothing goes to {repo}.",
        why="IMIL_STATE_REPO names that data set, and only a known account may write to it.",
        fix="Set HF_TOKEN to a token with write access, and start the app again. "
        "Until then everything is kept on this machine.",
    )


def public_repo(repo: str) -> StoreError:
    """Return the error of a data set that everybody can read."""
    return StoreError(
        f"{repo} is public, so nothing goes there.",
        why="Everybody can read it, and masks and results are of patients.",
        fix="Make it private in its settings on the Hub; what waits then goes up by itself. "
        "Until then everything is kept on this machine.",
    )


def other_kind(repo: str, kind: str) -> StoreError:
    """Return the error of a repo that is no data set."""
    return StoreError(
        f"{repo} is a {kind} on the Hub, not a data set.",
        why="State is kept in data sets, whose records can be read as tables.",
        fix="Set IMIL_STATE_REPO to a data set. Until then everything is kept on this machine.",
    )


def no_id(repo: str) -> StoreError:
    """Return the error of what is no id of a repo."""
    return StoreError(
        f"“{repo}” is no id of a repo.",
        why="The Hub allows letters, digits, “-”, “_” and “.” in it, 96 characters at most.",
        fix="Write it as owner/name, as on the repo's page.",
    )


def _refused(repo: str, status: int, *, kept: bool) -> StoreError:
    what, why, fix = {
        UNKNOWN_FAILURE: (
            "The Hub does not know this token.",
            "It is mistyped, was revoked or has expired.",
            "Sign in again, or set HF_TOKEN to a new token with write access and start again.",
        ),
        403: (
            f"This token may not write to {repo}.",
            "It can only read, or the owner of that name is somebody else.",
            "Use a token with write access and start again, or a name under your own account.",
        ),
    }.get(
        status,
        (
            f"The Hub refused what was sent to {repo}: it answered {status}.",
            "It does not accept this, and that does not pass by itself.",
            "Check its page on the Hub.",
        ),
    )
    return StoreError(what, why=why, fix=_while_kept(fix, kept=kept))


def _while_kept(fix: str, *, kept: bool = True) -> str:
    return f"{fix} Until then everything is kept on this machine." if kept else fix
