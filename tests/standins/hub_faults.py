"""What goes wrong between a client and the stand-in for the Hub, and what passed between them."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse

Message = MutableMapping[str, Any]


@dataclass(slots=True)
class Fault:
    """What goes wrong with the next `times` requests whose "METHOD /path" matches.

    Attributes:
        match: a regular expression, searched for.
        times: how many requests it hits.
        skip: how many that match it lets through first.
        status: is answered instead of the truth.
        says: the answer's words.
        headers: of that answer.
        stall: how many seconds nothing is answered.
        drop: the connection is cut "before" the request is read, in its "middle", or "after" it
            was carried out, so that the answer is lost.
    """

    match: str
    times: int = 1
    skip: int = 0
    status: int | None = None
    says: str = "injected"
    headers: Mapping[str, str] = field(default_factory=dict)
    stall: float = 0.0
    drop: str = ""


@dataclass(slots=True)
class Wire:
    """Stands between the clients and an app: injects faults and keeps the log.

    Attributes:
        faults: tried in order; the first that matches is used up.
        log: "METHOD /path status" of every request; the status of a cut one is "cut".
    """

    faults: list[Fault]
    log: list[str]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watched(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """Return the app with faults before it and the log behind it."""

        async def outer(scope: dict[str, Any], receive: Any, send: Any) -> None:
            call = f"{scope['method']} {scope['path']}"
            fault = self._next(call) or Fault("")
            if fault.stall:
                await asyncio.sleep(fault.stall)
            if fault.drop == "before":
                return self._cut(call, receive)
            if fault.status is not None:
                told = JSONResponse(
                    {"error": fault.says},
                    fault.status,
                    headers={"X-Error-Message": fault.says, **fault.headers},
                )
                # Like a server that has read the request before it answers.
                while (await receive()).get("more_body"):
                    pass
                self.log.append(f"{call} {fault.status}")
                return await told(scope, receive, send)
            await self._passed(app, fault, call, (scope, receive, send))
            return None

        return outer

    async def _passed(
        self, app: Callable[..., Any], fault: Fault, call: str, asgi: tuple[Any, Any, Any]
    ) -> None:
        scope, receive, send = asgi
        cut = False

        async def read() -> Message:
            message: Message = await receive()
            if fault.drop == "middle" and message.get("body"):
                raise ConnectionResetError
            return message

        async def answer(message: Message) -> None:
            nonlocal cut
            if message["type"] == "http.response.start":
                cut = fault.drop == "after"
                if not cut:
                    self.log.append(f"{call} {message['status']}")
            if not cut:
                await send(message)

        try:
            await app(scope, read, answer)
        except ConnectionResetError:
            cut = True
        if cut:
            self._cut(call, receive)

    def _cut(self, call: str, receive: Any) -> None:
        self.log.append(f"{call} cut")
        receive.__self__.transport.abort()  # uvicorn's connection

    def _next(self, call: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.match, call):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None
