"""A stand-in for ZeroGPU's device API on loopback, spoken to by the real `spaces` package.

It lends no GPU: the processes that `spaces` forks run on the CPU. A lease is granted or refused,
as a Space sees it; one that is out of time dies by its own hand in `zero_space`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a GPU: for how many seconds, on whose account, and whether it was granted."""

    seconds: int
    token: str | None
    granted: bool


@dataclass(slots=True)
class FakeZero:
    """The device API; `with` serves it.

    Attributes:
        refused: by the number of a request, from 1: seconds that are left of the visitor's quota,
            and seconds to wait for more.
        asked: every request so far.
        reported: how often an app said that it has started.
        released: leases that ended by themselves.
    """

    refused: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    reported: int = 0
    released: int = 0
    _socket: socket.socket | None = None
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """Return what `SPACES_ZERO_DEVICE_API_URL` is set to."""
        if self._socket is None:
            raise ValueError("not served yet")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        calls = {
            "/startup-report": self._startup,
            "/schedule": self._schedule,
            "/allow": self._allow,
            "/release": self._release,
        }
        app = Starlette(
            routes=[Route(path, call, methods=["POST"]) for path, call in calls.items()]
        )
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", lifespan="off", ws="none", http="h11")
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None and self._thread is not None and self._socket is not None:
            self._server.should_exit = True
            self._thread.join()
            self._socket.close()

    async def _startup(self, request: Request) -> Response:  # noqa: ARG002  # Starlette's
        self.reported += 1
        return JSONResponse({})

    async def _schedule(self, request: Request) -> Response:
        asked = request.query_params
        refused = self.refused.get(len(self.asked) + 1)
        seconds = int(asked["durationSeconds"])
        self.asked.append(Asked(seconds, asked.get("token"), granted=refused is None))
        if refused is not None:
            left, wait = refused
            said = {"X-Authenticated": "regular", "X-Approve-Result": "quota-exceeded"}
            return JSONResponse({"left": left, "wait": wait}, 429, headers=said)
        token = f"lease-{len(self.asked)}"
        return JSONResponse(
            {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "MIG-none", "allowToken": token}
        )

    async def _allow(self, request: Request) -> Response:  # noqa: ARG002  # Starlette's
        return JSONResponse({})

    async def _release(self, request: Request) -> Response:
        self.released += request.query_params.get("fail", "false").lower() == "false"
        return JSONResponse({})
