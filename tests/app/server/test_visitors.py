"""Who asks, as the app sees it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from imil.app.server.visitors import visitor_of


def request(peer: str = "10.16.3.80", forwarded: str | None = None, account: Any = None) -> Request:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    scope: dict[str, Any] = {"type": "http", "client": (peer, 1), "headers": headers}
    if account is not None:
        scope["session"] = {"oauth_info": {"userinfo": {"sub": account}}}
    return Request(scope)


def test_an_account_is_a_visitor_from_wherever_it_comes() -> None:
    one = visitor_of(request(forwarded="8.8.8.8", account="ada"), proxied=True)
    other = visitor_of(request(forwarded="1.1.1.1", account="ada"), proxied=True)

    assert one == other
    assert one.people == 1
    assert one != visitor_of(request(forwarded="8.8.8.8", account="bob"), proxied=True)


@pytest.mark.parametrize(
    "forwarded",
    [
        "8.8.8.8",
        "9.9.9.9, 8.8.8.8",
        "evil, ::1, 8.8.8.8",
        "8.8.8.8, 10.1.2.3",
        "9.9.9.9,8.8.8.8, x",
    ],
)
def test_what_a_visitor_writes_into_the_header_makes_no_other_visitor(forwarded: str) -> None:
    found = visitor_of(request(forwarded=forwarded), proxied=True)

    assert found == visitor_of(request(forwarded="8.8.8.8"), proxied=True)


def test_the_header_counts_for_nothing_where_no_proxy_wrote_it() -> None:
    found = visitor_of(request("203.0.113.7", forwarded="8.8.8.8"), proxied=False)

    assert found == visitor_of(request("203.0.113.7"), proxied=False)
    assert found != visitor_of(request("203.0.113.8"), proxied=False)


def test_a_household_of_ipv6_is_one_visitor() -> None:
    one = visitor_of(request(forwarded="2001:4860:4860::8888"), proxied=True)

    assert one == visitor_of(request(forwarded="2001:4860:4860::1"), proxied=True)
    assert one != visitor_of(request(forwarded="2001:4860:4861::8888"), proxied=True)


@pytest.mark.parametrize("account", ["", 5, None, ["x"]])
def test_a_session_that_names_nobody_is_known_by_its_address(account: Any) -> None:
    found = visitor_of(request(forwarded="8.8.8.8", account=account), proxied=True)

    assert found == visitor_of(request(forwarded="8.8.8.8"), proxied=True)
