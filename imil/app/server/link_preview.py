"""What others show of a link to the app: its own name and picture in place of Gradio's."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import Scope

from imil.report.parts.markup import ASSETS, render

PREVIEW_PATH = "/preview.jpg"
_DESCRIPTION = (
    "Show an image classifier what to ignore, and measure whether it helped. "
    "Research use only, not for diagnosis."
)
_TITLE = "IMIL: Interactive Medical Image Learning"
# What Gradio says of itself there.
_OTHERS = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>')
# A host as browsers send it; anything else comes from no browser.
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


def preview_picture() -> bytes:
    """Return the picture of a link, a JPEG of 1200 × 630 pixels."""
    return (ASSETS / "preview.jpg").read_bytes()


def with_preview(page: bytes, origin: str) -> bytes:
    """Return the page with what a link to it shows; nothing of Gradio's is left.

    Args:
        page: HTML.
        origin: such as https://owner-name.hf.space; "" where it is not known.
    """
    picture, wide = f"{origin}{PREVIEW_PATH}", "summary_large_image"
    lines = (
        ("property", "og:type", "website"),
        ("property", "og:title", _TITLE),
        ("property", "og:description", _DESCRIPTION),
        ("property", "og:image", picture),
        ("name", "description", _DESCRIPTION),
        ("name", "twitter:card", wide),
        ("name", "twitter:title", _TITLE),
        ("name", "twitter:description", _DESCRIPTION),
        ("name", "twitter:image", picture),
    )
    ours = render("link_preview.html", lines=lines).encode()
    return _OTHERS.sub(b"", page).replace(b"</head>", ours + b"</head>", 1)


def origin_of(scope: Scope) -> str:
    """Return the origin that a page was asked for at, through a proxy too; "" for a strange one."""
    headers = Headers(scope=scope)
    host = headers.get("x-forwarded-host", headers.get("host", ""))
    secure = "https" in (headers.get("x-forwarded-proto", ""), scope.get("scheme", ""))
    return f"{'https' if secure else 'http'}://{host}" if _HOST.fullmatch(host) else ""
