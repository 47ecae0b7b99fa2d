"""Refuses requests that pages of other sites make through a browser."""

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problem

LOOPBACK_NAME = "localhost"


class KnownHosts:
    """Refuses a request without a key that reaches this API by a foreign name.

    A page of another site can point its own name at 127.0.0.1 after the browser has loaded it (DNS
    rebinding): the browser then takes this API for a part of that site. It sends that name as
    `Host`, which pages cannot forge.
    """

    def __init__(self, app: ASGIApp, *, is_open: bool, hosts: Collection[str]) -> None:
        """`hosts` are names of this API besides those of the loopback. `is_open` allows every
        address, and every name unless `hosts` is given. Probes of Kubernetes use the address, which
        cannot be rebound."""
        self._app = app
        self._is_open = is_open
        self._hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = self._unknown_host(scope) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        detail = f"{name!r} is not a name of this API (CELERIAC_API_HOSTS)"
        refusal = problem.of_status(421, detail)
        answer = problem.response(refusal, request_id=problem.request_id(scope))
        await answer(scope, receive, send)

    def _unknown_host(self, scope: Scope) -> str | None:
        """The foreign name; None if the name is known, or if the server demands a key, which a page
        does not have."""
        headers = Headers(scope=scope)
        is_keyless = arrives_locally(scope) and "authorization" not in headers
        if not (self._hosts if self._is_open else is_keyless):
            return None
        name = host_name(headers.get("host", ""))
        if not name or is_loopback(name) or name in self._hosts:  # browsers always send a name
            return None
        return None if self._is_open and find_address(name) is not None else name


def arrives_locally(scope: Scope) -> bool:
    """By the address that the connection has reached. Unix sockets have no port."""
    host, port = scope.get("server") or ("", None)
    return port is None or is_loopback(host)


def host_name(header: str) -> str:
    """The name in a `Host` header, without its port.

    >>> host_name("Jobs.Example:8000"), host_name("[::1]:8000"), host_name("127.0.0.1")
    ('jobs.example', '::1', '127.0.0.1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def is_loopback(name: str) -> bool:
    """
    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("api")
    (True, True, False, False)
    """
    if name == LOOPBACK_NAME:
        return True
    address = find_address(name)
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped if mapped is not None else address).is_loopback)


def find_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The name as an IP address; None if it is a host name."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


class CrossSiteGuard:
    """Refuses changes that a browser requests on behalf of another origin.

    Any page can post forms and files, even to a server on the user's own machine. Browsers mark
    such requests with `Sec-Fetch-Site` (W3C Fetch Metadata) and `Origin`, which pages cannot forge
    and other clients do not send.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_cross_site(scope):
            await self._app(scope, receive, send)
            return
        refusal = problem.of_status(403, "pages of other sites cannot change anything here")
        answer = problem.response(refusal, request_id=problem.request_id(scope))
        await answer(scope, receive, send)


def _is_cross_site(scope: Scope) -> bool:
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    headers = Headers(scope=scope)
    # A page of `same-site` may be another person's: all names below one domain are one site.
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
