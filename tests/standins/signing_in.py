"""A stand-in for the Hub's sign-in on loopback: OpenID Connect, whose visitor always agrees."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT = "imil-space"


@dataclass(slots=True)
class Provider:
    """The running stand-in, as a context manager.

    Attributes:
        token: what whoever signs in now may ask the Hub with.
        visitor: what is told of whoever signs in now.
    """

    token: str
    visitor: dict[str, Any]
    _key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048))
    _nonces: dict[str, str] = field(default_factory=dict)
    _socket: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Return the address for OPENID_PROVIDER_URL."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def env(self) -> dict[str, str]:
        """Return what a Space has that lets visitors sign in."""
        return {
            "SYSTEM": "spaces",
            "SPACE_ID": "alice/imil",
            "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_CLIENT_SECRET": "a secret of nobody",
            "OAUTH_SCOPES": "openid profile contribute-repos",
            "OPENID_PROVIDER_URL": self.url,
        }

    def __enter__(self) -> Self:
        routes = [
            Route("/.well-known/openid-configuration", self._about),
            Route("/jwks", self._keys),
            Route("/authorize", self._authorize),
            Route("/token", self._exchange, methods=["POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="error", lifespan="off", ws="none", http="h11"
        )
        self._server = uvicorn.Server(config)
        run = {"sockets": [self._socket]}
        self._thread = threading.Thread(target=self._server.run, kwargs=run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join()
        self._socket.close()

    def _about(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    def _authorize(self, request: Request) -> Response:
        asked, code = request.query_params, secrets.token_hex(8)
        self._nonces[code] = asked.get("nonce", "")
        back = asked["redirect_uri"]
        told = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{back}{'&' if '?' in back else '?'}{told}", 302)

    async def _exchange(self, request: Request) -> Response:
        code = parse_qs((await request.body()).decode())["code"][0]
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 3600,
            "nonce": self._nonces.pop(code),
            **self.visitor,
        }
        signed = jwt.encode({"alg": "RS256"}, claims, self._key)
        token = {"access_token": self.token, "token_type": "bearer", "expires_in": 3600}
        return JSONResponse({**token, "scope": "openid profile", "id_token": signed})
