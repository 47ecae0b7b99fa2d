"""Which error an answer or a network error becomes."""

import inspect
import socket
from datetime import UTC, datetime

import httpcore2
import httpx2
import pytest

from app.errors import (
    AddressRefused,
    CeleriacError,
    InvalidInput,
    NotFound,
    PermanentError,
    RateLimited,
    RetryableError,
)
from app.fetch import failures

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
URL = "https://reader:secret@media.example/a.mp4"


@pytest.mark.parametrize(
    ("status", "want"),
    [
        (400, PermanentError),
        (401, PermanentError),
        (403, PermanentError),
        (404, NotFound),
        (408, RetryableError),
        (410, NotFound),
        (425, RetryableError),
        (429, RateLimited),
        (451, PermanentError),
        (500, RetryableError),
        (502, RetryableError),
        (503, RetryableError),
        (599, RetryableError),
    ],
)
def test_a_status_becomes_one_kind_of_error(status: int, want: type[CeleriacError]) -> None:
    error = failures.of_status(status, url=URL, now=NOW)
    assert type(error) is want
    assert str(error) == f"https://media.example/a.mp4 answered {status}"


def test_a_pause_that_the_server_names_is_kept() -> None:
    error = failures.of_status(503, url=URL, now=NOW, retry_after="90")
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 90.0


@pytest.mark.parametrize(
    ("header", "want"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Mon, 04 May 2026 12:01:00 GMT", 60.0),
        ("Mon, 04 May 2026 11:00:00 GMT", 0.0),
        ("Mon, 04 May 2026 12:01:00 -0000", 60.0),
        ("soon", None),
        ("Mon, 04 May 99999999999 12:01:00 GMT", None),
        ("Mon, 04 May 2026 12:01:00 +99999999999999", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, want: float | None) -> None:
    assert failures.retry_after_s(header, now=NOW) == want


def _errors_of(module: object) -> list[type[Exception]]:
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception)
    ]


NOT_OF_THE_NETWORK = {
    httpcore2.ConnectionNotAvailable,  # inside httpcore only
    httpx2.CookieConflict,
    httpx2.HTTPError,  # the root: only its subclasses are raised
    httpx2.HTTPStatusError,  # by `raise_for_status`, which nobody calls
    httpx2.SSEError,
    httpx2.StreamError,
    httpx2.StreamConsumed,
    httpx2.StreamClosed,
    httpx2.ResponseNotRead,
    httpx2.RequestNotRead,
}

FOREIGN = sorted({*_errors_of(httpcore2), *_errors_of(httpx2)} - NOT_OF_THE_NETWORK, key=repr)


@pytest.mark.parametrize(
    "foreign", FOREIGN, ids=lambda error: f"{error.__module__}.{error.__name__}"
)
def test_no_network_error_is_left_unmapped(foreign: type[Exception]) -> None:
    error = foreign.__new__(foreign)
    assert isinstance(failures.of_error(error, url=URL), CeleriacError)


def test_what_is_no_network_error_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), failures.translated(URL):
        raise ZeroDivisionError


def test_other_schemes_are_refused_as_addresses() -> None:
    with pytest.raises(AddressRefused), failures.translated("ftp://media.example/"):
        raise httpx2.UnsupportedProtocol("ftp")


@pytest.mark.parametrize(
    ("code", "want"),
    [(socket.EAI_NONAME, failures.UnknownHost), (socket.EAI_AGAIN, RetryableError)],
)
def test_a_name_that_does_not_exist_is_not_tried_again(
    code: int, want: type[CeleriacError]
) -> None:
    assert type(failures.of_name(socket.gaierror(code, "why"), host="media.example")) is want


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("https://a:b@host.example/x?y=1#z", "https://host.example/x?y=1#z"),
        ("https://host.example/mail@home", "https://host.example/mail@home"),
        ("http://[::1", "(not a URL)"),
    ],
)
def test_a_shown_url_holds_no_secret(url: str, want: str) -> None:
    assert failures.shown(url) == want


def test_invalid_urls_are_the_users_to_mend() -> None:
    assert isinstance(failures.of_error(httpx2.InvalidURL("no"), url=URL), InvalidInput)
