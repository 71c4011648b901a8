"""The page as it is first sent: packed for the way, and with a script that must run before others.

Gradio packs its scripts but not the page, which is the largest file of a visit; and it has no place
for a script ahead of its own.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imil.report.parts.markup import ASSETS

# Of gzip's 1 to 9: a tenth of the page's size for a few ms of a core; more effort saves little.
EFFORT = 4


class FirstPage:
    """Sends `/` packed to whoever can unpack it, `frames.js` first; all else goes as it went."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._page = GZipMiddleware(_Scripted(app), compresslevel=EFFORT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        page = scope["type"] == "http" and scope["path"] == "/"
        await (self._page if page else self._app)(scope, receive, send)


class _Scripted:
    """Puts the script at the top of a page's head."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._head = b"<head><script>" + (ASSETS / "frames.js").read_bytes() + b"</script>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        body = b""

        async def put(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if start is not None and not message.get("more_body", False):
                whole = body.replace(b"<head>", self._head, 1)
                MutableHeaders(scope=start)["content-length"] = str(len(whole))
                await send(start)
                await send({"type": "http.response.body", "body": whole})

        await self._app(scope, receive, put)
