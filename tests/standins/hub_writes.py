"""How the stand-in for the Hub is written to: repos, uploads of large files, commits, squashing."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.standins.hub_repos import Commit, Repo, StoredFile, User, commit, is_large


class Hub(Protocol):
    """What the routes need of the stand-in."""

    repos: dict[str, Repo]
    blobs: dict[str, bytes]
    settings: dict[str, str]
    commit_seconds: float
    quota: tuple[int, float] | None

    @property
    def endpoint(self) -> str: ...

    @property
    def storage(self) -> str: ...

    def user(self, request: Request) -> User | Response | None: ...

    def repo(self, request: Request, *, write: bool = False) -> Repo | Response: ...


class Refused(Exception):  # noqa: N818  # an answer, not an error of ours
    """The Hub says no."""

    def __init__(self, status: int, says: str, code: str = "") -> None:
        super().__init__(says)
        self.answer = error(status, says, code)


@dataclass(slots=True)
class Writes:
    """The routes that change repos."""

    hub: Hub
    _busy: set[str] = field(default_factory=set)
    _commits: deque[float] = field(default_factory=deque)

    def routes(self) -> list[Route]:
        """Return what the API's origin answers."""
        of_repo = "/api/{kind}/{owner}/{name}"
        return [
            _post("/api/repos/create", self._create),
            Route("/api/repos/delete", self._delete, methods=["DELETE"]),
            _post("/api/validate-yaml", self._validate),
            _post(of_repo + "/preupload/{revision}", self._preupload),
            _post(of_repo + "/commit/{revision}", self._commit),
            _post(of_repo + "/super-squash/{revision}", self._squash),
            Route(of_repo + "/commits/{revision}", self._history),
            Route(of_repo + "/lfs-files", self._large_files),
            _post(of_repo + "/lfs-files/batch", self._delete_large),
            _post(of_repo + "/variables", self._set),
            _post(of_repo + "/secrets", self._set),
            _post("/{kind}/{owner}/{name}.git/info/lfs/objects/batch", self._batch),
            _post("/{owner}/{name}.git/info/lfs/objects/batch", self._batch),
            _post("/{kind}/{owner}/{name}.git/info/lfs/objects/verify", self._verify),
            _post("/{owner}/{name}.git/info/lfs/objects/verify", self._verify),
        ]

    async def _create(self, request: Request) -> Response:
        asked = await request.json()
        user = self.hub.user(request)
        if isinstance(user, Response):
            return user
        if user is None:
            return error(401, "Invalid username or password.")
        owner = asked.get("organization") or user.name
        if user.role == "read" or not user.reaches(f"x/{owner}/x"):
            return error(403, "You don't have the rights to create a repo there")
        key = f"{asked.get('type') or 'model'}s/{owner}/{asked['name']}"
        told = {"url": f"{self.hub.endpoint}/{key.removeprefix('models/')}", "id": asked["name"]}
        if key in self.hub.repos:
            return JSONResponse({"error": "You already created this repo", **told}, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        first = commit({".gitattributes": StoredFile(b"", large=False)}, "initial commit", "hub")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.hub.repos[key] = Repo((first,), private, maker=token)
        if asked.get("hardware"):
            self.hub.settings[f"{key}/hardware"] = asked["hardware"]
        return JSONResponse(told)

    async def _delete(self, request: Request) -> Response:
        asked = await request.json()
        user = self.hub.user(request)
        if not isinstance(user, User):
            return user or error(401, "Invalid username or password.")
        owner = asked.get("organization") or user.name
        self.hub.repos.pop(f"{asked.get('type') or 'model'}s/{owner}/{asked['name']}", None)
        return JSONResponse({})

    async def _validate(self, request: Request) -> Response:
        content = (await request.json())["content"]
        try:
            found = yaml.safe_load(content.split("---")[1]) if content.startswith("---") else {}
            wrong = [] if isinstance(found, dict) else [{"message": "metadata must be an object"}]
        except yaml.YAMLError as cause:
            wrong = [{"message": str(cause)}]
        told = {"errors": wrong, "warnings": [], **({"error": "Invalid metadata"} if wrong else {})}
        return JSONResponse(told, 400 if wrong else 200)

    async def _preupload(self, request: Request) -> Response:
        repo = self.hub.repo(request, write=True)
        if isinstance(repo, Response):
            return repo
        files = []
        for asked in (await request.json())["files"]:
            path = asked["path"]
            large = is_large(path, asked["size"], base64.b64decode(asked.get("sample") or ""))
            there = repo.files.get(path)
            files.append(
                {
                    "path": path,
                    "uploadMode": "lfs" if large else "regular",
                    "shouldIgnore": False,
                    **({} if there is None else {"oid": there.etag}),
                }
            )
        return JSONResponse({"files": files, "commitOid": repo.commit})

    async def _batch(self, request: Request) -> Response:
        repo = self.hub.repo(request, write=True)
        if isinstance(repo, Response):
            return repo
        objects = []
        verify = {"href": f"{self.hub.endpoint}{request.url.path[: -len('batch')]}verify"}
        for asked in (await request.json())["objects"]:
            upload = {"href": f"{self.hub.storage}/stored/{asked['oid']}?signed=yes"}
            there = asked["oid"] in self.hub.blobs
            actions = {} if there else {"actions": {"upload": upload, "verify": verify}}
            objects.append({"oid": asked["oid"], "size": asked["size"], **actions})
        kind = "application/vnd.git-lfs+json"
        return JSONResponse({"transfer": "basic", "objects": objects}, media_type=kind)

    async def _verify(self, request: Request) -> Response:
        asked = await request.json()
        there = self.hub.blobs.get(asked["oid"])
        if there is None or len(there) != asked["size"]:
            return error(404, "LFS object not found or size mismatch")
        return JSONResponse({})

    async def _commit(self, request: Request) -> Response:
        body = await request.body()
        repo = self.hub.repo(request, write=True)
        user = self.hub.user(request)
        if isinstance(repo, Response) or not isinstance(user, User):
            return repo if isinstance(repo, Response) else error(401, "no token")
        key = key_of(request)
        if (refused := self._too_many()) is not None:
            return refused
        if key in self._busy:
            return error(409, "Another commit operation is in progress for this repository.")
        self._busy.add(key)
        try:
            await asyncio.sleep(self.hub.commit_seconds)
            return self._committed(key, body, user)
        except Refused as refusal:
            return refusal.answer
        finally:
            self._busy.discard(key)

    def _committed(self, key: str, body: bytes, user: User) -> Response:
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        head = next(line["value"] for line in lines if line["key"] == "header")
        repo = self.hub.repos[key]
        if head.get("parentCommit") not in {None, repo.commit}:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.files)
        for line in lines:
            if line["key"] != "header":
                self._apply(line["key"], line["value"], files)
        made = repo.committed(files, head["summary"], user.name)
        self.hub.repos[key] = made
        url = f"{self.hub.endpoint}/{key.removeprefix('models/')}/commit/{made.commit}"
        return JSONResponse({"success": True, "commitOid": made.commit, "commitUrl": url})

    def _apply(self, act: str, value: Mapping[str, Any], files: dict[str, StoredFile]) -> None:
        path = value["path"]
        if path.startswith("/") or {"", "..", "."} & set(path.rstrip("/").split("/")):
            raise Refused(400, f"Invalid path: {path}")
        if act == "file":
            files[path] = StoredFile(base64.b64decode(value["content"]), large=False)
        elif act == "lfsFile":
            if value["oid"] not in self.hub.blobs:
                raise Refused(400, "LFS pointer pointed to a file that does not exist")
            files[path] = StoredFile(self.hub.blobs[value["oid"]], large=True)
        else:
            gone = [p for p in files if p == path or p.startswith(f"{path.rstrip('/')}/")]
            if not gone:
                raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            for each in gone:
                del files[each]

    def _too_many(self) -> Response | None:
        if self.hub.quota is None:
            return None
        most, seconds = self.hub.quota
        now = time.monotonic()
        while self._commits and self._commits[0] < now - seconds:
            self._commits.popleft()
        if len(self._commits) >= most:
            return error(
                429,
                f"You have exceeded the rate limit for repository commits ({most} per "
                f"{seconds:g} s). You can retry this action later.",
            )
        self._commits.append(now)
        return None

    async def _set(self, request: Request) -> Response:
        repo = self.hub.repo(request, write=True)
        if isinstance(repo, Response):
            return repo
        asked, what = await request.json(), request.url.path.rpartition("/")[2]
        self.hub.settings[f"{key_of(request)}/{what}/{asked['key']}"] = asked["value"]
        return JSONResponse({asked["key"]: {"value": "", "updatedAt": "2026-11-01T00:00:00.000Z"}})

    async def _squash(self, request: Request) -> Response:
        repo = self.hub.repo(request, write=True)
        user = self.hub.user(request)
        if isinstance(repo, Response) or not isinstance(user, User):
            return repo if isinstance(repo, Response) else error(401, "no token")
        asked = await request.json()
        made = repo.squashed(asked.get("message") or "Super-squash", user.name)
        self.hub.repos[key_of(request)] = made
        return JSONResponse({"commitId": made.commit})

    async def _history(self, request: Request) -> Response:
        repo = self.hub.repo(request)
        if isinstance(repo, Response):
            return repo
        return JSONResponse(
            [
                {
                    "id": made.oid,
                    "title": made.title,
                    "message": "",
                    "date": "2026-11-01T00:00:00.000Z",
                    "authors": [{"user": made.user, "avatar": ""}],
                }
                for made in reversed(repo.history)
            ]
        )

    async def _large_files(self, request: Request) -> Response:
        repo = self.hub.repo(request, write=True)
        if isinstance(repo, Response):
            return repo
        found = {}
        for made in repo.history:
            for path, file in made.files.items():
                if file.large:
                    found[file.etag] = _large_file(path, file, made)
        return JSONResponse(list(found.values()))

    async def _delete_large(self, request: Request) -> Response:
        repo = self.hub.repo(request, write=True)
        if isinstance(repo, Response):
            return repo
        gone = set((await request.json())["deletions"]["sha"])
        for sha in gone:
            self.hub.blobs.pop(sha, None)
        history = tuple(
            replace(
                made,
                files={p: f for p, f in made.files.items() if not (f.large and f.etag in gone)},
            )
            for made in repo.history
        )
        self.hub.repos[key_of(request)] = replace(repo, history=history)
        return JSONResponse({})


def key_of(request: Request) -> str:
    """Return "kind/owner/name" of the repo that a request is about."""
    parts = request.path_params
    return f"{parts.get('kind', 'models')}/{parts['owner']}/{parts['name']}"


def error(
    status: int, says: str, code: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """Return a refusal as the Hub words it."""
    told = {"X-Error-Message": says, **({"X-Error-Code": code} if code else {})}
    return JSONResponse({"error": says}, status, headers={**(headers or {}), **told})


def _post(path: str, do: Any) -> Route:
    return Route(path, do, methods=["POST"])


def _large_file(path: str, file: StoredFile, made: Commit) -> dict[str, object]:
    return {
        "fileOid": file.etag,
        "filename": path,
        "oid": file.etag,
        "pushedAt": "2026-11-01T00:00:00.000Z",
        "ref": made.oid,
        "size": len(file.data),
    }
