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
# The client says no more than this where an upload was cut.
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


def failure_of(cause: BaseException, repo: str) -> Failure:
    """Return what a failed request of the client means.

    The Hub's own words are left out: they could carry more than was meant for a screen.
    """
    if isinstance(cause, StoreError):
        return Failure(cause, passes=False)
    if isinstance(cause, RepositoryNotFoundError):
        return Failure(no_repo(repo), passes=False)
    if not isinstance(cause, HfHubHTTPError):
        return Failure(unreachable(repo), passes=True)
    status = cause.response.status_code
    if status in _LATER or status >= 500:
        return Failure(unreachable(repo, status), passes=True, quota=status == 429)
    return Failure(_refused(repo, status), passes=False)


def unreachable(repo: str, status: int | None = None) -> StoreError:
    """Return the error of a Hub that does not answer, or is busy."""
    return StoreError(
        "The Hugging Face Hub can't be reached."
        if status is None
        else f"The Hugging Face Hub is busy (it answered {status}).",
        why=f"What is saved goes to {repo} there.",
        fix="Nothing is lost: it is kept on this machine, and tried again by itself.",
    )


def silent(repo: str) -> StoreError:
    """Return the error of a Hub that has not answered in the time that somebody waits for it."""
    return StoreError(
        "The Hugging Face Hub does not answer.",
        why=f"What is kept in {repo} there, and not on this machine, can't be shown meanwhile.",
        fix="Try again in a few seconds: it is still being asked for. Nothing was changed.",
    )


def no_repo(repo: str) -> StoreError:
    """Return the error of a data set that is not there for this token."""
    return StoreError(
        f"There is no data set {repo} on the Hub for this token.",
        why="It does not exist, or it is private and HF_TOKEN is not allowed to see it.",
        fix="Create it as a private data set, or correct IMIL_STATE_REPO or HF_TOKEN. "
        "Until then everything is kept on this machine.",
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


def _refused(repo: str, status: int) -> StoreError:
    if status == 401:
        return StoreError(
            "The Hub does not accept HF_TOKEN.",
            why="It is misspelt, expired or revoked.",
            fix="Set a new token with write access to the data set, and start the app again. "
            "Everything is kept on this machine until then.",
        )
    if status == 403:
        return StoreError(
            f"HF_TOKEN may not write to {repo}.",
            why="It is a token for reading, or for other repos.",
            fix="Set a token with write access to the data set, and start the app again. "
            "Everything is kept on this machine until then.",
        )
    return StoreError(
        f"The Hub refused what was sent to {repo}.",
        why=f"It answered {status}, which does not pass by itself.",
        fix="Check the data set's page on the Hub. Everything is kept on this machine.",
    )
