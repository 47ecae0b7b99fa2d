"""Who may ask an API that no key guards: this machine, and no page of another site."""

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problem

LOOPBACK_NAME = "localhost"


class LocalOnly:
    """Refuses what comes from beyond this machine, and what a browser was led here with.

    However the server was started, a request that has reached another address of this machine than
    its loopback came from outside, or could have. And a page of another site may have its own name
    point at 127.0.0.1 once the browser has loaded it (DNS rebinding): browsers then take us for a
    part of that site. They send its name as `Host`, which pages can not forge.
    """

    def __init__(self, app: ASGIApp, *, is_open: bool, hosts: Collection[str]) -> None:
        """`hosts` are names besides those of the loopback by which this API is asked. With
        `is_open` every address will do, and every name unless some are given: probes of Kubernetes
        ask by address, which nobody can have point elsewhere."""
        self._app = app
        self._is_open = is_open
        self._hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        answer = problem.response(refusal, request_id=problem.request_id(scope))
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> problem.Problem | None:
        if not self._is_open and not _is_asked_locally(scope):
            return problem.of_status(403, NO_KEY)
        if self._is_open and not self._hosts:
            return None
        name = host_name(Headers(scope=scope).get("host", ""))
        if not name or is_loopback(name) or name in self._hosts:  # browsers name us always
            return None
        if self._is_open and find_address(name) is not None:
            return None
        return problem.of_status(421, f"{name!r} is none of this API's names (CELERIAC_API_HOSTS)")


NO_KEY = (
    "no key guards this API, so it answers only this machine; start it with --insecure or "
    "CELERIAC_INSECURE=true if something else guards it"
)


def _is_asked_locally(scope: Scope) -> bool:
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
