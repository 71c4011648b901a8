"""What an upload is answered on a full disk: Gradio's own route knows no word for it."""

from __future__ import annotations

import errno
import shutil
import sys

from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from imil.core.disk import NO_ROOM, not_saved

# HTTP's own status for a server without room.
INSUFFICIENT_STORAGE = 507
# Bytes that no upload may take: thousands of masks, of visitors who are at work. Our choice.
RESERVE = 16 * 2**20
UPLOAD = "/gradio_api/upload"


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
        words = not_saved("The upload", error)
        sys.stderr.write(f"{words}\n")
        answer = PlainTextResponse(str(words), status_code=INSUFFICIENT_STORAGE)
        await answer(scope, receive, send)


def _fits(scope: Scope) -> bool:
    size = Headers(scope=scope).get("content-length", "")
    free = shutil.disk_usage(get_upload_folder()).free
    return not size.isdecimal() or int(size) + RESERVE <= free
