"""What browsers tell of a request and pages cannot forge: the name in use, the page it came from.

Plain functions of an ASGI scope for every server that has pages, and a guard made of them.
"""

import ipaddress
import logging
import uuid
from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

LOOPBACK_NAME = "localhost"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of every response: nothing from other servers, no inline script or style, in no frame."""

REFERRER_POLICY = "same-origin"
"""Other sites get no address. With `no-referrer`, browsers send `Origin: null` with our forms."""


def unknown_host(scope: Scope, *, is_open: bool, hosts: Collection[str]) -> str | None:
    """The foreign name by which this server was reached; None if the name is known, or if the
    server demands a key, which a page does not have.

    `hosts` are names of this server besides those of the loopback. `is_open` allows every address,
    and every name unless `hosts` is given. Probes of Kubernetes use the address, which cannot be
    rebound.
    """
    headers = Headers(scope=scope)
    is_keyless = arrives_locally(scope) and "authorization" not in headers
    if not (hosts if is_open else is_keyless):
        return None
    name = host_name(headers.get("host", ""))
    if not name or is_loopback(name) or name in hosts:  # browsers always send a name
        return None
    return None if is_open and find_address(name) is not None else name


def is_cross_site(scope: Scope) -> bool:
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    headers = Headers(scope=scope)
    # A page of `same-site` may be another person's: all names below one domain are one site.
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


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


class PageGuard:
    """Refuses what a page of another site makes a browser send, restricts what ours may load, and
    answers for errors of the console itself."""

    def __init__(self, app: ASGIApp, *, is_open: bool, hosts: Collection[str]) -> None:
        """`is_open` and `hosts` are those of `unknown_host`."""
        self._app = app
        self._is_open = is_open
        self._hosts = frozenset(name.lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def send_guarded(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = REFERRER_POLICY
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, receive, send_guarded)
        except Exception:  # the supervisor of all requests
            mark = uuid.uuid4().hex[:8]
            logger.exception("a page failed", extra={"path": scope["path"], "request_id": mark})
            if has_started:
                raise  # the server closes the connection: the client must see that this is not all
            text = f"The console has failed. Its log tells why, at request {mark}.\n"
            answer = PlainTextResponse(text, status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
            await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        name = unknown_host(scope, is_open=self._is_open, hosts=self._hosts)
        if name is not None:
            text = f"{name!r} is not a name of this console.\n"
            return PlainTextResponse(text, status_code=HTTPStatus.MISDIRECTED_REQUEST)
        if is_cross_site(scope):
            text = "Pages of other sites cannot change anything here.\n"
            return PlainTextResponse(text, status_code=HTTPStatus.FORBIDDEN)
        return None
