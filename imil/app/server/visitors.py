"""Who asks: an account where somebody has signed in, else the address that the request came from.

A session's name is no visitor: the browser chooses it, and a script may choose a new one each time.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

# People who may share an address: a clinic's network shows one to the outside. Our choice.
BEHIND_AN_ADDRESS = 5
# What a household is given of IPv6; within it an address may change with each request.
NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks.

    Attributes:
        key: tells one from another; kept in memory only, and never shown or logged.
        people: how many persons may be behind it.
    """

    key: str
    people: int = 1


def visitor_of(request: Any, *, proxied: bool) -> Visitor:
    """Return who sent a request.

    Args:
        request: Starlette's, or Gradio's around one; None for a call from this process.
        proxied: requests come through a proxy in front of the app, as on a Space, which appends
            the address that it was asked from to `X-Forwarded-For`. Only then is the header
            believed, and only from the right: all else in it is the visitor's to choose.
    """
    request = getattr(request, "request", request)
    scope = getattr(request, "scope", None)
    if not isinstance(scope, dict):
        return Visitor("")
    account = _account(scope)
    if account:
        return Visitor(f"account {account}")
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    written = request.headers.get("x-forwarded-for", "") if proxied else ""
    return Visitor(f"address {_forwarded(written) or _network(peer) or peer}", BEHIND_AN_ADDRESS)


def _account(scope: dict[str, Any]) -> str:
    """Return who has signed in, as the provider calls the account; "" for nobody."""
    found = scope.get("session")
    for name in ("oauth_info", "userinfo", "sub"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _forwarded(written: str) -> str:
    """Return the last address of the header that is not the proxy's own network; "" for none."""
    for each in reversed(written.split(",")):
        network = _network(each.strip())
        if network and ipaddress.ip_network(network).is_global:
            return network
    return ""


def _network(address: str) -> str:
    """Return an address, of IPv6 its network; "" for what is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, NETWORK_BITS), strict=False))
    return str(found)
