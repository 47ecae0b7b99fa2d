"""Maps HTTP statuses and network errors to our errors, in one table for every request."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit, urlunsplit

import httpcore2
import httpx2

from app.errors import (
    AddressRefused,
    CeleriacError,
    InvalidInput,
    NotFound,
    PermanentError,
    RateLimited,
    RetryableError,
)

_GONE = frozenset({404, 410})
_WORTH_A_RETRY = frozenset({408, 421, 423, 425})

_NETWORK: tuple[tuple[type[Exception], type[CeleriacError], str], ...] = (
    (httpcore2.UnsupportedProtocol, AddressRefused, "only http and https are fetched"),
    (httpx2.UnsupportedProtocol, AddressRefused, "only http and https are fetched"),
    (httpx2.InvalidURL, InvalidInput, "not a URL"),
    (httpx2.TooManyRedirects, PermanentError, "it redirects in a circle"),
    (httpx2.DecodingError, RetryableError, "its compressed answer is damaged"),
    (httpcore2.LocalProtocolError, InvalidInput, "no valid request"),
    (httpcore2.TimeoutException, RetryableError, "no answer in time"),
    (httpcore2.ProxyError, RetryableError, "the proxy refused"),
    (httpcore2.ProtocolError, RetryableError, "the answer broke off, or was not HTTP"),
    (httpcore2.NetworkError, RetryableError, "the connection failed"),
    (httpx2.RequestError, RetryableError, "the request failed"),
)
"""The library's error, ours, and its message. The first matching row is used."""


def of_status(
    status: int, *, url: str, now: datetime, retry_after: str | None = None
) -> CeleriacError:
    """The error for an HTTP status of 400 and more. `retry_after` is the unparsed header."""
    message = f"{shown(url)} answered {status}"
    if status in _GONE:
        return NotFound(message)
    pause_s = retry_after_s(retry_after, now=now)
    if status == 429 or (status == 503 and pause_s is not None):
        return RateLimited(message, retry_after_s=pause_s)
    if status >= 500 or status in _WORTH_A_RETRY:
        return RetryableError(message)
    return PermanentError(message)


HINT = (
    "an operator allows it by CELERIAC_ALLOWED_HOSTS, its network by CELERIAC_ALLOWED_NETWORKS, "
    "all such addresses by CELERIAC_ALLOW_PRIVATE_ADDRESSES=true"
)


def of_error(error: Exception, *, url: str) -> CeleriacError | None:
    """Our error for a network error of the library; `None` for other errors."""
    row = next((row for row in _NETWORK if isinstance(error, row[0])), None)
    if row is None:
        return None
    _, ours, words = row
    detail = str(error)
    return ours(f"{shown(url)}: {words}" + (f" ({detail})" if detail else ""))


def of_name(error: socket.gaierror, *, host: str) -> CeleriacError:
    """The error of a host name that did not resolve."""
    if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return UnknownHost(_no_such_host(host), detail="no host has this name")
    return RetryableError(f"the name {host!r} could not be looked up: {error.strerror}")


def host_refused(host: str, *, detail: str) -> AddressRefused:
    """The error of a name that has no address for jobs. The log has the detail."""
    return AddressRefused(_no_such_host(host), detail=detail)


class UnknownHost(AddressRefused):
    """A name that does not exist. Clients get the same as for one that has a private address: they
    could tell the names of private networks apart otherwise."""

    @property
    def type(self) -> str:
        return AddressRefused.__name__


def _no_such_host(host: str) -> str:
    return (
        f"jobs reach no host called {host!r}: there is none, or its address is not public ({HINT})"
    )


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Translate the network errors of the block to ours."""
    try:
        yield
    except Exception as error:
        ours = of_error(error, url=url)
        if ours is None:
            raise
        raise ours from error


def retry_after_s(value: str | None, *, now: datetime) -> float | None:
    """Seconds to wait by a `Retry-After` header (RFC 9110 section 10.2.3): seconds, or a date.

    >>> retry_after_s("120", now=datetime(2026, 1, 1, tzinfo=UTC))
    120.0
    >>> retry_after_s("Thu, 01 Jan 2026 00:00:30 GMT", now=datetime(2026, 1, 1, tzinfo=UTC))
    30.0
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # no date, or one with a number that no date can hold
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def shown(url: str) -> str:
    """The URL without user name and password, for messages, tags and results.

    >>> shown("https://user:secret@example.org/a?b=1")
    'https://example.org/a?b=1'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
