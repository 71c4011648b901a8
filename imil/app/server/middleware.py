"""What each request passes on its way to Gradio and back: limits, headers, a packed page.

The policy allows what Gradio's page needs and no more: scripts of the page itself, some of them
inline, and expressions that are made into functions (its templates). Nothing of another host, so
that a text of a visitor which became markup could load nothing, nor send anything anywhere else.
"""

from __future__ import annotations

import errno
import shutil
import sys

from gradio.utils import get_upload_folder
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imil.app.server.link_preview import PREVIEW_PATH, origin_of, preview_picture, with_preview
from imil.core.disk import NO_ROOM, not_saved_error
from imil.report.parts.markup import ASSETS

# Who may show the app in a frame: itself, and the Hub, which shows a Space so.
FRAMED_BY = "'self' https://huggingface.co"
POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's page has inline scripts, and compiles the templates and scripts of components.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "connect-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self' https://huggingface.co",
        f"frame-ancestors {FRAMED_BY}",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # The address of a page may hold a study's id, which opens the study.
    "referrer-policy": "same-origin",
}
# Bytes of a request that is no upload: a film's own value with its pixels is the largest. Our
# choice. Uploads have Gradio's limit, see `imil.app.server.theme`.
MOST_SENT = 64 * 2**20
UPLOAD = "/upload"
# HTTP's own status for a server without room.
INSUFFICIENT_STORAGE = 507
# Bytes that no upload may take: thousands of masks, of visitors who are at work. Our choice.
_RESERVE = 16 * 2**20
# Of gzip's 1 to 9: a tenth of the page's size for a few ms of a core; more effort saves little.
EFFORT = 4


class Guarded:
    """Sends the headers with every answer, and takes no request that is larger than any of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def put(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        if scope["path"].rstrip("/").endswith(UPLOAD):
            await self._app(scope, receive, put)
            return
        left = MOST_SENT

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                # What follows is not read: the answer would not come through otherwise.
                return {"type": "http.disconnect"}
            return message

        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told[:20]) > MOST_SENT:
            refused = PlainTextResponse("That is more than the app takes.", status_code=413)
            await refused(scope, receive, put)
            return
        await self._app(scope, counted, put)


class FullDisk:
    """Answers an upload that finds no room with a sentence, which the page shows.

    One that says how large it is is not begun, so that nothing of it is left.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not scope["path"].endswith(UPLOAD):
            await self._app(scope, receive, send)
            return
        try:
            if _fits(scope):
                await self._app(scope, receive, send)
                return
            # Browsers don't listen before they have sent everything.
            while (await receive()).get("more_body", False):
                pass
            error = OSError(errno.ENOSPC, "")
        except OSError as caught:
            if caught.errno not in NO_ROOM:
                raise
            error = caught
        words = not_saved_error("The upload", error)
        sys.stderr.write(f"{words}\n")
        answer = PlainTextResponse(str(words), status_code=INSUFFICIENT_STORAGE)
        await answer(scope, receive, send)


def _fits(scope: Scope) -> bool:
    size = Headers(scope=scope).get("content-length", "")
    free = shutil.disk_usage(get_upload_folder()).free
    return not size.isdecimal() or int(size) + _RESERVE <= free


class FirstPage:
    """Sends `/` packed to whoever can unpack it, `frames.js` first; all else goes as it went.

    Gradio packs its scripts but not the page, which is the largest file of a visit; and it has no
    place for a script ahead of its own, nor for what a link shows of the page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._page = GZipMiddleware(self._scripted, compresslevel=EFFORT)
        self._head = b"<head><script>" + (ASSETS / "frames.js").read_bytes() + b"</script>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        page = scope["type"] == "http" and scope["path"] == "/"
        if scope["type"] == "http" and scope["path"] == PREVIEW_PATH:
            await Response(preview_picture(), media_type="image/jpeg")(scope, receive, send)
            return
        await (self._page if page else self._app)(scope, receive, send)

    async def _scripted(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def put(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["content-length"]
            else:
                body = with_preview(message.get("body", b""), origin_of(scope))
                body = body.replace(b"<head>", self._head, 1)
                message = {**message, "body": body}
            await send(message)

        await self._app(scope, receive, put)
