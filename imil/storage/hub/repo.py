"""One data set on the Hub, through the real client: read a file, list a folder, commit, remove."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    hf_hub_url,
    set_client_factory,
)
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # not in its __all__
    build_hf_headers,
    disable_progress_bars,
    hf_raise_for_status,
    http_backoff,
    httpx,
)

# Private, but without it a client of ours would not know of the offline mode.
from huggingface_hub.utils._http import hf_request_event_hook

from imil.errors import StoreError
from imil.storage.base import study_of
from imil.storage.hub.card import CARD_FILE, LAYOUT_FILE, laid_out, layout_columns, tables_of
from imil.storage.hub.errors import no_repo, other_kind, public_repo

_KIND = "dataset"
# Without them the client waits for ever for a server that has gone silent, s.
HUB_ANSWER_SECONDS = 60.0
CONNECT_SECONDS = 10.0
# Of reading one file from a Hub that is busy or silent: somebody is waiting for the study, and who
# tries again is to find a new connection.
TRIES = 1
READ_SECONDS = 10.0


def prepare_client(answer: float = HUB_ANSWER_SECONDS) -> None:
    """Give the client of this process time-outs, in seconds, and keep it from drawing progress."""

    def client() -> httpx.Client:
        return httpx.Client(
            event_hooks={"request": [hf_request_event_hook]},
            follow_redirects=True,
            timeout=httpx.Timeout(answer, connect=min(answer, CONNECT_SECONDS)),
        )

    set_client_factory(client)
    disable_progress_bars()


class HubRepo:
    """A data set. Every method raises as the client does: see `hub_errors.failure_of`.

    Args:
        repo: its id, "owner/name".
        token: with write access; never shown.
        endpoint: the Hub's address; None for the usual one.
    """

    def __init__(self, repo: str, token: str, *, endpoint: str | None = None) -> None:
        self.id = repo
        self._token = token
        self._endpoint = endpoint
        self._api = HfApi(endpoint=endpoint, token=token)
        # The tables that the data set is known to have; None before it was looked at.
        self._tables: frozenset[str] | None = None
        self._known = False
        self._made: str | None = None

    def __repr__(self) -> str:
        """Leave the token out, so that no log or traceback can hold it."""
        return f"HubRepo({self.id!r})"

    def check(self) -> None:
        """Make sure, once, that this is a data set that we can read; StoreError if not."""
        if not self._known:
            layout_columns(self._layout())
            self._known = True

    def get(self, path: str) -> bytes | None:
        """Return a file's content; None only where there is none."""
        url = hf_hub_url(self.id, path, repo_type=_KIND, endpoint=self._endpoint)
        answer = self._ask(url)
        content: bytes | None = None if answer is None else answer.content
        return content

    def folder(self, path: str) -> tuple[str, ...]:
        """Return the paths of all files below a folder; none where there is no such folder."""
        # Not the client's own listing: it asks for half a minute while somebody is waiting.
        url = f"{self._api.endpoint}/api/datasets/{self.id}/tree/main/{path}?recursive=true"
        found: list[str] = []
        while (answer := self._ask(url)) is not None:
            found += [each["path"] for each in answer.json() if each["type"] == "file"]
            if "next" not in answer.links:
                break
            url = answer.links["next"]["url"]
        return tuple(found)

    def there(self, paths: Iterable[str]) -> frozenset[str]:
        """Return which of the paths are files; one request."""
        # Not the client's own question: it waits for a minute.
        url = f"{self._api.endpoint}/api/datasets/{self.id}/paths-info/main"
        answer = self._ask(url, "POST", data={"paths": list(paths)})
        return frozenset(each["path"] for each in answer.json() if each["type"] == "file")

    def made(self) -> str | None:
        """Return when the data set was made, which tells it from a later one of the same name.

        None where the Hub does not say. StoreError where there is no such data set, or everybody
        could read what is added to it.
        """
        self._private_head()
        return self._made

    def commit(self, files: Mapping[str, bytes], title: str) -> str | None:
        """Put the files there in one commit; whatever is so already is left out of it.

        Returns:
            When the data set was made, as it was known before the commit; see `made`.
        """
        head = self._private_head()
        laid, tables = {}, tables_of(files)
        if self._tables is None or not tables <= self._tables:
            layout = self._layout()
            rows = tables | layout_columns(layout).keys()
            laid = laid_out(self.id, layout, self.get(CARD_FILE), rows)
        self._commit({**files, **laid}, title, head)
        self._tables = (self._tables or frozenset()) | tables
        return self._made

    def remove(self, study_id: str, *, keep: frozenset[str]) -> None:
        """Remove what belongs to a study, from the past too, and its large files for good.

        Args:
            study_id: whose.
            keep: paths that stay.
        """
        # Of before the look at what there is: whatever is added meanwhile makes us look again.
        head = self._api.dataset_info(self.id, expand=["sha"]).sha
        paths = (*self.folder("data"), *self.folder(f"studies/{study_id}"))
        gone = [p for p in paths if study_of(p) == study_id and p not in keep]
        # Before the past is gone: the Hub lists large files by the commits that name them.
        listed = self._api.list_lfs_files(self.id, repo_type=_KIND)
        large = [f for f in listed if study_of(f.filename) == study_id and f.filename not in keep]
        if gone:
            left = tables_of(path for path in {*paths} - {*gone} if study_of(path))
            self._commit(self._without_empty(left), "A study was deleted", head, gone)
            self._tables = None
        if gone or large:
            self._api.super_squash_history(
                self.id, commit_message="A study was deleted", repo_type=_KIND
            )
            self._api.permanently_delete_lfs_files(self.id, large, repo_type=_KIND)

    def _without_empty(self, left: frozenset[str]) -> dict[str, bytes]:
        """Return card and layout, by path, without tables of no rows; nothing if they can stay."""
        layout, card = self._layout(), self.get(CARD_FILE)
        if layout is None or card is None:
            return {}
        try:
            return laid_out(self.id, layout, card, left)
        except StoreError:
            return {}  # whoever adds rows is told of it; a deletion must not wait for that

    def _ask(self, url: str, method: Literal["GET", "POST"] = "GET", **sent: Any) -> Any:
        """Return the answer; None where there is no such file or folder."""
        headers = build_hf_headers(token=self._token)
        answer = http_backoff(
            method, url, max_retries=TRIES, headers=headers, timeout=READ_SECONDS, **sent
        )
        try:
            hf_raise_for_status(answer)
        except EntryNotFoundError:
            return None
        return answer

    def _commit(
        self, files: Mapping[str, bytes], title: str, head: str | None, gone: Sequence[str] = ()
    ) -> None:
        """Add and delete files; a card is written over the one that we have seen, or not."""

        def commit(added: Mapping[str, bytes], parent: str | None) -> None:
            operations: list[CommitOperationAdd | CommitOperationDelete] = [
                *(CommitOperationDelete(path) for path in gone),
                *(CommitOperationAdd(path, content) for path, content in added.items()),
            ]
            self._api.create_commit(
                self.id, operations, commit_message=title, repo_type=_KIND, parent_commit=parent
            )

        try:
            commit(files, head if CARD_FILE in files else None)
        except ValueError:
            if CARD_FILE not in files:
                raise
            # The Hub finds fault with what a person wrote there: it is theirs to mend.
            commit({path: files[path] for path in files if path != CARD_FILE}, None)

    def _private_head(self) -> str | None:
        """Return the last commit; StoreError where everybody could read what is added to it."""
        try:
            found = self._api.dataset_info(self.id, expand=["private", "sha", "createdAt"])
        except RepositoryNotFoundError as cause:
            raise self._missing() from cause
        if not found.private:
            raise public_repo(self.id)
        made = None if found.created_at is None else found.created_at.isoformat()
        if made != self._made:
            # Another data set has none of the tables that the last one had.
            self._made, self._tables = made, None
        return found.sha

    def _layout(self) -> bytes | None:
        try:
            return self.get(LAYOUT_FILE)
        except RepositoryNotFoundError as cause:
            raise self._missing() from cause

    def _missing(self) -> Exception:
        for kind in ("model", "space"):
            try:
                self._api.repo_info(self.id, repo_type=kind)
            except RepositoryNotFoundError:
                continue
            return other_kind(self.id, kind)
        return no_repo(self.id)
