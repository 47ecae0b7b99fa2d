"""Which requests without a key are refused: those that a page of another site led here."""

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problem

LOOPBACK_NAME = "localhost"


class KnownHosts:
    """Refuses a request without a key that a browser was led here with.

    A page of another site may have its own name point at 127.0.0.1 once the browser has loaded it
    (DNS rebinding): browsers then take us for a part of that site. They send its name as `Host`,
    which pages cannot forge.
    """

    def __init__(self, app: ASGIApp, *, is_open: bool, hosts: Collection[str]) -> None:
        """`hosts` are names besides those of the loopback by which this API is asked. With
        `is_open` every address will do, and every name unless some are given: probes of Kubernetes
        ask by address, which DNS cannot point elsewhere."""
        self._app = app
        self._is_open = is_open
        self._hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = self._unknown_host(scope) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        detail = f"{name!r} is none of this API's names (CELERIAC_API_HOSTS)"
        refusal = problem.of_status(421, detail)
        answer = problem.response(refusal, request_id=problem.request_id(scope))
        await answer(scope, receive, send)

    def _unknown_host(self, scope: Scope) -> str | None:
        """The name that is not ours; None where it is, or where the name decides nothing: a page
        gains nothing by leading a browser to a server that demands a key."""
        headers = Headers(scope=scope)
        is_keyless = is_asked_locally(scope) and "authorization" not in headers
        if not (self._hosts if self._is_open else is_keyless):
            return None
        name = host_name(headers.get("host", ""))
        if not name or is_loopback(name) or name in self._hosts:  # browsers always name us
            return None
        return None if self._is_open and find_address(name) is not None else name


def is_asked_locally(scope: Scope) -> bool:
    """By the address that the connection has reached. Sockets of Unix have no port."""
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
    """The name as an address, where it is one."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


class CrossSiteGuard:
    """Refuses what a browser sends in the name of a foreign page.

    Such a page may post forms and files without being asked, also to a server on the user's own
    machine, which has no key. Browsers say so in `Sec-Fetch-Site` (W3C Fetch Metadata), and pages
    can not forge it; other clients do not send it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_foreign(scope):
            await self._app(scope, receive, send)
            return
        refusal = problem.of_status(403, "a page of another site may not change anything here")
        answer = problem.response(refusal, request_id=problem.request_id(scope))
        await answer(scope, receive, send)


def _is_foreign(scope: Scope) -> bool:
    is_safe = scope["method"] in ("GET", "HEAD", "OPTIONS")
    return not is_safe and Headers(scope=scope).get("sec-fetch-site") == "cross-site"
