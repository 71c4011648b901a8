"""A stand-in for the Hugging Face Hub on loopback, spoken to by the real client.

Like the Hub it answers on two origins: the API, and a storage host for large files whose addresses
are signed and which refuses requests that carry the Hub's token. It holds its repos in memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN = "hf_alice"  # noqa: S105  # of nobody: the stand-in's only user
LARGE = (".safetensors", ".parquet", ".zip", ".npz")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a repo; `large` ones are answered by the storage host."""

    data: bytes
    large: bool

    @property
    def etag(self) -> str:
        """Return the git blob hash of a small file, the sha256 of a large one."""
        if self.large:
            return hashlib.sha256(self.data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()  # noqa: S324  # git's


@dataclass(frozen=True, slots=True)
class Repo:
    """A repo at its one commit; a gated one tells what it has, but gives no file away."""

    files: Mapping[str, StoredFile]
    private: bool
    gated: bool = False

    @property
    def commit(self) -> str:
        """Return 40 hex digits that change with the files."""
        listing = "".join(f"{path} {file.etag}\n" for path, file in sorted(self.files.items()))
        return hashlib.sha256(listing.encode()).hexdigest()[:40]


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` requests whose "METHOD /path" matches.

    `status` is answered instead of the truth; `stall` is how many seconds nothing is answered.
    """

    match: str
    times: int = 1
    status: int | None = None
    stall: float = 0.0


@dataclass(slots=True)
class FakeHub:
    """The running stand-in, as a context manager.

    Attributes:
        repos: "models/owner/name" → repo.
        faults: tried in order; the first that matches is used up.
        log: "METHOD /path status" of every request to either origin.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
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
        """Make or replace a repo."""
        stored = {path: StoredFile(data, path.endswith(LARGE)) for path, data in files.items()}
        self.repos[f"{kind}/{repo}"] = Repo(stored, private, gated)

    @property
    def endpoint(self) -> str:
        """Return the address that a client calls the Hub."""
        return _address(self._sockets[0])

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
        for routes in (api, [Route("/stored/{key}", self._stored)]):
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
        for thread in self._threads:
            thread.join()
        for listening in self._sockets:
            listening.close()

    def _serve(self, app: Starlette) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self._watched(app), log_level="error", lifespan="off", ws="none", http="h11"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        self._sockets.append(listening)
        self._servers.append(server)
        self._threads.append(thread)

    def _watched(self, app: Starlette) -> Callable[..., object]:
        """Return the app with faults before it and the log behind it."""

        async def outer(scope: dict[str, object], receive: object, send: object) -> None:
            call = f"{scope['method']} {scope['path']}"
            fault = self._fault(call)
            if fault is not None and fault.stall:
                await asyncio.sleep(fault.stall)

            async def logged(message: dict[str, object]) -> None:
                if message["type"] == "http.response.start":
                    self.log.append(f"{call} {message['status']}")
                await send(message)  # type: ignore[operator]  # ASGI's untyped callable

            if fault is not None and fault.status is not None:
                failing = Response(status_code=fault.status)
                await failing(scope, receive, logged)  # type: ignore[arg-type]  # the same
            else:
                await app(scope, receive, logged)  # type: ignore[arg-type]  # the same

        return outer

    def _fault(self, call: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.match, call):
                fault.times -= 1
                return fault
        return None

    def _repo(self, key: str, request: Request) -> Repo | Response:
        revision = request.path_params.get("revision")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in ("", TOKEN):
            return _error(401, "Invalid credentials in Authorization header")
        found = self.repos.get(key)
        if found is None or (found.private and not token):
            return _error(404 if token else 401, "Repository not found", "RepoNotFound")
        if revision not in (None, "main", found.commit):
            return _error(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found

    def _info(self, request: Request) -> Response:
        parts = request.path_params
        repo = self._repo(f"{parts['kind']}/{parts['owner']}/{parts['name']}", request)
        if isinstance(repo, Response):
            return repo
        listing = [{"rfilename": path} for path in sorted(repo.files)]
        name = f"{parts['owner']}/{parts['name']}"
        told = {"sha": repo.commit, "private": repo.private, "gated": repo.gated and "auto"}
        return JSONResponse({"id": name, "siblings": listing, "cardData": _card(repo), **told})

    def _tree(self, request: Request) -> Response:
        parts = request.path_params
        repo = self._repo(f"{parts['kind']}/{parts['owner']}/{parts['name']}", request)
        if isinstance(repo, Response):
            return repo
        below = f"{parts['path'].strip('/')}/" if parts.get("path") else ""
        inside = [path for path in repo.files if path.startswith(below)]
        if below and not inside:
            return _error(404, "Entry not found", "EntryNotFound")
        deep = request.query_params.get("recursive", "").lower() in {"1", "true"}
        entries = {}
        for path in inside:
            names = path.removeprefix(below).split("/")
            for depth in range(1, len(names) + 1) if deep else (1,):
                shown = below + "/".join(names[:depth])
                entries[shown] = _entry(repo, shown)
        return JSONResponse([entries[path] for path in sorted(entries)])

    async def _paths_info(self, request: Request) -> Response:
        parts = request.path_params
        repo = self._repo(f"{parts['kind']}/{parts['owner']}/{parts['name']}", request)
        if isinstance(repo, Response):
            return repo
        asked = parse_qs((await request.body()).decode()).get("paths", [])
        paths = [path.strip("/") for path in asked]
        there = [path for path in paths if path in repo.files or _is_folder(repo, path)]
        return JSONResponse([_entry(repo, path) for path in there])

    def _resolve(self, request: Request) -> Response:
        key, path = request.path_params["repo"], request.path_params["path"]
        repo = self._repo(key if key.count("/") > 1 else f"models/{key}", request)
        if isinstance(repo, Response):
            return repo
        headers = {"X-Repo-Commit": repo.commit}
        file = repo.files.get(path)
        if file is None:
            return _error(404, "Entry not found", "EntryNotFound", headers)
        if repo.gated and "authorization" not in request.headers and path != "README.md":
            return _error(401, "Access to this dataset is restricted.", "GatedRepo", headers)
        headers["ETag"] = f'"{file.etag}"'
        if not file.large:
            return _part(file, request, headers)
        headers |= {
            "X-Linked-Etag": headers["ETag"],
            "X-Linked-Size": str(len(file.data)),
            "Location": f"{_address(self._sockets[1])}/stored/{file.etag}?signed=yes",
        }
        return Response(status_code=302, headers=headers)

    def _stored(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return Response("the Hub's token must not be sent to the storage host", 400)
        if request.query_params.get("signed") != "yes":
            return Response("access denied", 403)
        files = (file for repo in self.repos.values() for file in repo.files.values())
        for file in files:
            if file.etag == request.path_params["key"]:
                return _part(file, request, {"ETag": f'"{file.etag}"'})
        return Response("no such key", 404)


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


def _entry(repo: Repo, path: str) -> dict[str, object]:
    file = repo.files.get(path)
    if file is None:
        return {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}
    shown: dict[str, object] = {"type": "file", "path": path, "size": len(file.data)}
    if not file.large:
        return {**shown, "oid": file.etag}
    large = {"oid": file.etag, "size": len(file.data), "pointerSize": 130}
    return {**shown, "oid": "1" * 40, "lfs": large}


def _is_folder(repo: Repo, path: str) -> bool:
    return any(other.startswith(f"{path}/") for other in repo.files)


def _card(repo: Repo) -> dict[str, object]:
    """Return what stands between the first two lines of dashes in the README."""
    file = repo.files.get("README.md")
    text = "" if file is None else file.data.decode()
    found = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else {}
    return dict(found)


def _error(
    status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    told = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return JSONResponse({"error": message}, status, headers={**(headers or {}), **told})
