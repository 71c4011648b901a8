"""What is said beside every answer: what a browser may do with it; and how much may be sent.

The policy allows what Gradio's page needs and no more: scripts of the page itself, some of them
inline, and expressions that are made into functions (its templates). Nothing of another host, so
that a text of a visitor which became markup could load nothing, nor send anything anywhere else.
"""

from __future__ import annotations

from starlette.datastructures import Headers as Given
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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

        told = Given(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told[:20]) > MOST_SENT:
            refused = PlainTextResponse("That is more than the app takes.", status_code=413)
            await refused(scope, receive, put)
            return
        await self._app(scope, counted, put)
