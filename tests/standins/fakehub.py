"""A stand-in for the Hugging Face Hub on loopback, spoken to by the real client.

Like the Hub it answers on two origins: the API, and a storage host for large files whose addresses
are signed and which refuses requests that carry the Hub's token. It holds its repos in memory, in a
thread of the test: an app that is killed does not take it along.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.hub_faults import Fault, Wire
from tests.standins.hub_repos import (
    LARGE,
    Commit,
    Repo,
    StoredFile,
    User,
    card,
    commit,
    entry,
    is_folder,
)
from tests.standins.hub_writes import Writes, error, key_of

__all__ = ["READER", "TOKEN", "FakeHub", "Fault"]

TOKEN = "hf_alice"  # noqa: S105  # of nobody
READER = "hf_reader"  # may read and nothing else
USERS = {
    TOKEN: User("alice"),
    READER: User("alice", "read"),
    "hf_bob": User("bob", owners=("bob",)),
    "hf_oauth_carol": User("carol", "own", owners=("carol",)),
}


@dataclass(slots=True)
class FakeHub:
    """The running stand-in, as a context manager.

    Attributes:
        repos: "models/owner/name" → repo.
        faults: tried in order; the first that matches is used up.
        log: "METHOD /path status" of every request to either origin.
        users: by token.
        blobs: large files by sha256, those of no commit yet among them.
        settings: of Spaces: "spaces/owner/name/variables/NAME", "…/secrets/NAME" or "…/hardware"
            → value.
        commit_seconds: how long a commit takes; another one meanwhile is refused.
        quota: most commits in so many seconds; None = any number.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    users: dict[str, User] = field(default_factory=lambda: dict(USERS))
    blobs: dict[str, bytes] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    commit_seconds: float = 0.0
    quota: tuple[int, float] | None = None
    _sockets: list[socket.socket] = field(default_factory=list)
    _servers: list[uvicorn.Server] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def put(
        self,
        repo: str,
        files: Mapping[str, bytes],
        *,
        kind: str = "models",
        private: bool = False,
        gated: bool = False,
    ) -> None:
        """Make a repo, or replace what is in it."""
        stored = {path: StoredFile(data, path.endswith(LARGE)) for path, data in files.items()}
        self.blobs |= {file.etag: file.data for file in stored.values() if file.large}
        made = commit(stored, "put there by a test", "alice")
        found = Repo((made,), private, gated)
        there = self.repos.get(f"{kind}/{repo}", found)
        self.repos[f"{kind}/{repo}"] = replace(found, made=there.made)

    def delete(self, repo: str, *, kind: str) -> None:
        """Delete a repo with all that it holds, as its owner does on the Hub's pages."""
        gone = self.repos.pop(f"{kind}/{repo}")
        kept = {f.etag for other in self.repos.values() for f in other.files.values()}
        for made in gone.history:
            for file in made.files.values():
                if file.etag not in kept:
                    self.blobs.pop(file.etag, None)

    @property
    def endpoint(self) -> str:
        """Return the address that a client calls the Hub."""
        return _address(self._sockets[0])

    @property
    def storage(self) -> str:
        """Return the address of the storage host."""
        return _address(self._sockets[1])

    def __enter__(self) -> Self:
        api = [
            Route("/{repo:path}/resolve/{revision}/{path:path}", self._resolve),
            Route("/api/{kind}/{owner}/{name}", self._info),
            Route("/api/{kind}/{owner}/{name}/revision/{revision}", self._info),
            Route("/api/{kind}/{owner}/{name}/tree/{revision}", self._tree),
            Route("/api/{kind}/{owner}/{name}/tree/{revision}/{path:path}", self._tree),
            Route(
                "/api/{kind}/{owner}/{name}/paths-info/{revision}",
                self._paths_info,
                methods=["POST"],
            ),
        ]
        stored = Route("/stored/{key}", self._stored, methods=["GET", "HEAD"])
        taken = Route("/stored/{key}", self._take, methods=["PUT"])
        for routes in (
            [*api, Route("/api/whoami-v2", self._whoami), *Writes(self).routes()],
            [stored, taken],
        ):
            self._serve(Starlette(routes=routes))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.should_exit = True
            # A client that was killed leaves connections behind that nobody closes.
            server.force_exit = True
        for thread in self._threads:
            thread.join()
        for listening in self._sockets:
            listening.close()

    def _serve(self, app: Starlette) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        wire = Wire(self.faults, self.log)
        config = uvicorn.Config(
            wire.watched(app), log_level="critical", lifespan="off", ws="none", http="h11"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        self._sockets.append(listening)
        self._servers.append(server)
        self._threads.append(thread)

    def user(self, request: Request) -> User | Response | None:
        """Return who asks: None for nobody, a refusal for a token that is none."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in self.users:
            return error(401, "Invalid credentials in Authorization header")
        return self.users.get(token)

    def repo(self, request: Request, *, write: bool = False) -> Repo | Response:
        """Return the repo that a request is about, or why it is not to be had."""
        return self._repo(key_of(request), request, write=write)

    def _repo(self, key: str, request: Request, *, write: bool = False) -> Repo | Response:
        user = self.user(request)
        if isinstance(user, Response):
            return user
        found = self.repos.get(key)
        hidden = found is not None and found.private and not (user and user.reaches(key))
        if found is None or hidden:
            return error(404 if user else 401, "Repository not found", "RepoNotFound")
        if write and user is None:
            return error(401, "Invalid username or password.", "RepoNotFound")
        if write and user is not None and not _may_write(user, key, found, request):
            return error(403, "Forbidden: you must use a write token to upload to a repository.")
        revision = request.path_params.get("revision")
        if found.at(revision) is None:
            return error(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found

    def _whoami(self, request: Request) -> Response:
        user = self.user(request)
        if not isinstance(user, User):
            return user or error(401, "Invalid username or password.")
        role = {"type": "access_token", "accessToken": {"displayName": "test", "role": user.role}}
        return JSONResponse({"type": "user", "name": user.name, "orgs": [], "auth": role})

    def _info(self, request: Request) -> Response:
        parts = request.path_params
        repo = self.repo(request)
        if isinstance(repo, Response):
            return repo
        made = _asked(repo, request)
        listing = [{"rfilename": path} for path in sorted(made.files)]
        name = f"{parts['owner']}/{parts['name']}"
        told = {
            "sha": made.oid,
            "private": repo.private,
            "gated": repo.gated and "auto",
            "createdAt": repo.made,
        }
        return JSONResponse({"id": name, "siblings": listing, "cardData": card(made), **told})

    def _tree(self, request: Request) -> Response:
        parts = request.path_params
        repo = self.repo(request)
        if isinstance(repo, Response):
            return repo
        made = _asked(repo, request)
        below = f"{parts['path'].strip('/')}/" if parts.get("path") else ""
        inside = [path for path in made.files if path.startswith(below)]
        if below and not inside:
            return error(404, "Entry not found", "EntryNotFound")
        deep = request.query_params.get("recursive", "").lower() in {"1", "true"}
        entries = {}
        for path in inside:
            names = path.removeprefix(below).split("/")
            for depth in range(1, len(names) + 1) if deep else (1,):
                shown = below + "/".join(names[:depth])
                entries[shown] = entry(made, shown)
        return JSONResponse([entries[path] for path in sorted(entries)])

    async def _paths_info(self, request: Request) -> Response:
        repo = self.repo(request)
        if isinstance(repo, Response):
            return repo
        made = _asked(repo, request)
        asked = parse_qs((await request.body()).decode()).get("paths", [])
        paths = [path.strip("/") for path in asked]
        there = [path for path in paths if path in made.files or is_folder(made, path)]
        return JSONResponse([entry(made, path) for path in there])

    def _resolve(self, request: Request) -> Response:
        key, path = request.path_params["repo"], request.path_params["path"]
        repo = self._repo(key if key.count("/") > 1 else f"models/{key}", request)
        if isinstance(repo, Response):
            return repo
        made = _asked(repo, request)
        headers = {"X-Repo-Commit": made.oid}
        file = made.files.get(path)
        if file is None:
            return error(404, "Entry not found", "EntryNotFound", headers)
        if repo.gated and "authorization" not in request.headers and path != "README.md":
            return error(401, "Access to this dataset is restricted.", "GatedRepo", headers)
        headers["ETag"] = f'"{file.etag}"'
        if not file.large:
            return _part(file, request, headers)
        headers |= {
            "X-Linked-Etag": headers["ETag"],
            "X-Linked-Size": str(len(file.data)),
            "Location": f"{self.storage}/stored/{file.etag}?signed=yes",
        }
        return Response(status_code=302, headers=headers)

    def _stored(self, request: Request) -> Response:
        if (refused := _not_signed(request)) is not None:
            return refused
        data = self.blobs.get(request.path_params["key"])
        if data is None:
            return Response("no such key", 404)
        file = StoredFile(data, large=True)
        return _part(file, request, {"ETag": f'"{file.etag}"'})

    async def _take(self, request: Request) -> Response:
        data = await request.body()
        if (refused := _not_signed(request)) is not None:
            return refused
        if hashlib.sha256(data).hexdigest() != request.path_params["key"]:
            return Response("the content is not what its name says", 400)
        self.blobs[request.path_params["key"]] = data
        return Response()


def _not_signed(request: Request) -> Response | None:
    if "authorization" in request.headers:
        return Response("the Hub's token must not be sent to the storage host", 400)
    if request.query_params.get("signed") != "yes":
        return Response("access denied", 403)
    return None


def _may_write(user: User, key: str, repo: Repo, request: Request) -> bool:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    own = user.role != "own" or repo.maker == token
    return user.role != "read" and user.reaches(key) and own


def _asked(repo: Repo, request: Request) -> Commit:
    """Return the commit that a request names; `repo` has made sure that there is one."""
    return repo.at(request.path_params.get("revision")) or repo.history[-1]


def _address(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def _part(file: StoredFile, request: Request, headers: Mapping[str, str]) -> Response:
    """Return the bytes that a Range header asks for, or all."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if asked is None:
        return Response(file.data, headers={"Accept-Ranges": "bytes", **headers})
    first = int(asked[1])
    last = min(int(asked[2] or len(file.data)), len(file.data) - 1)
    told = {"Content-Range": f"bytes {first}-{last}/{len(file.data)}"}
    return Response(file.data[first : last + 1], 206, headers={**headers, **told})
