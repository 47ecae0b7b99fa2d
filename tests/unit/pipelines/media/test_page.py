"""What yt-dlp raises, as our errors."""

import errno
import inspect

import pytest
import yt_dlp.utils
from yt_dlp.networking.exceptions import RequestError, TransportError
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    UnavailableVideoError,
    UnsupportedError,
    YoutubeDLError,
)

from app.errors import (
    AddressRefused,
    Cancelled,
    CeleriacError,
    NotFound,
    PermanentError,
    RetryableError,
    StorageUnavailable,
    UnsupportedFormat,
)
from app.pipelines.media import page

URL = "https://media.example/page"
FULL = OSError(errno.ENOSPC, "No space left on device")


def wrapped(inner: BaseException) -> DownloadError:
    """As yt-dlp reports what happened inside: the error is in `exc_info`, not in the chain."""
    return DownloadError("ERROR: something", (type(inner), inner, None))


def caused(error: YoutubeDLError, by: BaseException) -> YoutubeDLError:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param(UnsupportedError(URL), UnsupportedFormat, id="no media on the page"),
        pytest.param(wrapped(UnsupportedError(URL)), UnsupportedFormat, id="told by a wrapper"),
        pytest.param(GeoRestrictedError("not here"), PermanentError, id="another country"),
        pytest.param(ContentTooShortError(1, 2), RetryableError, id="too little came"),
        pytest.param(ExtractorError("private video"), UnsupportedFormat, id="a private video"),
        pytest.param(RequestError(cause=AddressRefused("no")), AddressRefused, id="an address"),
        pytest.param(wrapped(TransportError(cause=Cancelled("x"))), Cancelled, id="a cancel"),
        pytest.param(wrapped(FULL), StorageUnavailable, id="a full disk"),
        pytest.param(caused(UnavailableVideoError(), FULL), StorageUnavailable, id="a cause"),
        pytest.param(
            DownloadError("m3u8 download detected but ffmpeg could not be found"),
            UnsupportedFormat,
            id="a stream that only ffmpeg would read",
        ),
    ],
)
def test_the_cause_is_found(error: Exception, want: type[CeleriacError]) -> None:
    found = page.cause_of(error, last_failure=None, url=URL)
    assert type(found) is want


def test_what_the_latest_request_met_explains_a_bare_error() -> None:
    failure = NotFound("answered 404")
    assert page.cause_of(DownloadError("Giving up"), last_failure=failure, url=URL) is failure


def test_our_own_error_inside_wins_over_the_latest_request() -> None:
    stop = Cancelled("enough")
    error = wrapped(TransportError(cause=stop))
    assert page.cause_of(error, last_failure=NotFound("404"), url=URL) is stop


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError(errno.EACCES, "no")])
def test_what_is_no_failed_download_stays_what_it_is(error: Exception) -> None:
    assert page.cause_of(error, last_failure=None, url=URL) is error


def test_errors_that_point_at_each_other_are_looked_at_once() -> None:
    one, two = ExtractorError("one"), ExtractorError("two")
    one.__cause__, two.__cause__ = two, one
    assert isinstance(page.cause_of(one, last_failure=None, url=URL), UnsupportedFormat)


def test_a_message_is_for_people() -> None:
    error = DownloadError("ERROR: [generic] x1: Video is gone; please report this issue on ...")
    found = page.cause_of(error, last_failure=None, url=URL)
    assert str(found) == f"{URL}: cannot be downloaded (x1: Video is gone)"


ERRORS = [
    found
    for _, found in inspect.getmembers(yt_dlp.utils, inspect.isclass)
    if issubclass(found, YoutubeDLError)
]


@pytest.mark.parametrize("foreign", ERRORS, ids=lambda found: found.__name__)
def test_no_error_of_yt_dlp_is_left_unmapped(foreign: type[YoutubeDLError]) -> None:
    error: YoutubeDLError = YoutubeDLError.__new__(foreign)
    found = page.cause_of(error, last_failure=None, url=URL)
    assert isinstance(found, CeleriacError)
