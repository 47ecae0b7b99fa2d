"""Replaces yt-dlp's network by ours: each of its requests goes through `app.fetch`.

yt-dlp chooses a request handler for each request. Here there is only one, so that every page,
playlist, fragment, key and thumbnail is fetched from a checked address.
"""

import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import yt_dlp
from yt_dlp.networking import Request, RequestHandler, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError, TransportError

from app.errors import CeleriacError, LimitExceeded, RetryableError
from app.fetch import failures, http_client
from app.settings import FetchSettings

SLICE_S = 0.25
"""Longest sleep: a cancel is noticed within it."""

MEMORY_LIMIT_BYTES = 32 * 1024 * 1024
"""Largest answer that is read whole, such as a page or playlist. Files are read in blocks."""


class DownloadNetwork:
    """Settings and state that the handlers of one download share.

    yt-dlp drops the cause of many failures or converts it to text. `last_failure` keeps the failure
    of the latest request; None after a success.
    """

    def __init__(
        self,
        settings: FetchSettings,
        on_wait: Callable[[], None],
        *,
        bytes_per_s: int | None = None,
        time_limit_s: float,
    ) -> None:
        """`time_limit_s` is that of a page, with everything that leads to its media."""
        self.settings = settings
        self.pace = Pace(bytes_per_s, on_wait=self.check)
        self.last_failure: CeleriacError | None = None
        self._on_wait = on_wait
        self._page_time_s = time_limit_s
        self._reads_page_since: float | None = time.monotonic()

    def check(self) -> None:
        """Called at least twice a second while waiting for the network. Raises to stop the work."""
        self._on_wait()
        since, limit_s = self._reads_page_since, self._page_time_s
        if since is not None and time.monotonic() - since > limit_s:
            raise LimitExceeded(f"the page was not read within {limit_s:g} s")

    def begin_page(self) -> None:
        """What follows has to be read within the time limit of a page."""
        self._reads_page_since = time.monotonic()

    def begin_media(self) -> None:
        """A file follows, which takes as long as it takes: only its speed is limited."""
        self._reads_page_since = None


class Pace:
    """Limits the rate of a reader. yt-dlp's own limit cannot be cancelled."""

    def __init__(self, bytes_per_s: int | None, *, on_wait: Callable[[], None]) -> None:
        self._bytes_per_s = bytes_per_s
        self._on_wait = on_wait
        self._free_at = time.monotonic()

    def portion(self, wanted_bytes: int) -> int:
        """Bytes to read at once: at most those of half a second."""
        if self._bytes_per_s is None:
            return wanted_bytes
        return min(wanted_bytes, max(1, self._bytes_per_s // 2))

    def keep(self, read_bytes: int) -> None:
        """Wait until the rate allows these bytes."""
        if self._bytes_per_s is None:
            return
        self._free_at = max(self._free_at, time.monotonic() - 1)
        self._free_at += read_bytes / self._bytes_per_s
        while (rest_s := self._free_at - time.monotonic()) > 0:
            self._on_wait()
            time.sleep(min(rest_s, SLICE_S))


class Downloader(yt_dlp.YoutubeDL):  # type: ignore[misc]  # yt-dlp ships no types
    """yt-dlp with our network only."""

    def __init__(
        self, options: dict[str, Any], network: DownloadNetwork
    ) -> None:  # Any: yt-dlp's options
        self.network = network
        super().__init__(options)

    def dl(self, name: str, info: Any, *args: Any, **options: Any) -> Any:
        """yt-dlp calls this for each file, when it has read the page."""
        self.network.begin_media()
        return super().dl(name, info, *args, **options)

    def build_request_director(self, handlers: object, preferences: object = None) -> object:
        """yt-dlp calls this with its own handlers."""

        def build(**options: Any) -> FetchRH:  # Any: yt-dlp's own
            return FetchRH(self.network, **options)

        return super().build_request_director([build])


class FetchRH(RequestHandler):  # type: ignore[misc]  # yt-dlp ships no types
    """Sends yt-dlp's requests by a `Fetcher` that shares its cookies."""

    _SUPPORTED_URL_SCHEMES = ("http", "https")
    _SUPPORTED_PROXY_SCHEMES = None
    _SUPPORTED_FEATURES = None
    RH_NAME = "fetch"

    def __init__(self, network: DownloadNetwork, **options: Any) -> None:  # Any: yt-dlp's own
        super().__init__(**options)
        self._network = network
        self._fetcher = http_client.Fetcher(
            network.settings, on_wait=network.check, cookies=self.cookiejar
        )

    def close(self) -> None:
        self._fetcher.close()

    def _check_extensions(self, extensions: dict[str, object]) -> None:
        super()._check_extensions(extensions)
        for name in ("cookiejar", "timeout", "legacy_ssl", "keep_header_casing"):
            extensions.pop(name, None)

    def _send(self, request: Request) -> Response:
        try:
            answer = self._fetcher.send(
                request.url,
                method=request.method,
                headers=self._get_headers(request),
                content=request.data,
            )
        except RetryableError as error:
            self._network.last_failure = error
            raise TransportError(cause=error) from error
        except CeleriacError as error:
            self._network.last_failure = error
            raise RequestError(cause=error) from error
        self._network.last_failure = None
        response = _Answer(answer, self._network)
        if not answer.is_success:
            self._network.last_failure = failures.of_status(
                answer.status_code,
                url=request.url,
                now=datetime.now(UTC),
                retry_after=answer.headers.get("Retry-After"),
            )
            raise HTTPError(response)
        return response


class _Answer(Response):  # type: ignore[misc]  # yt-dlp ships no types
    def __init__(self, answer: httpx2.Response, network: DownloadNetwork) -> None:
        self._url = str(answer.url)
        self._network = network
        self._body = _Body(answer)
        super().__init__(
            fp=self._body, url=self._url, headers=answer.headers, status=answer.status_code
        )

    def read(self, amt: int | None = None) -> bytes:
        try:
            with failures.translated(self._url):
                return self._read(amt)
        except RetryableError as error:
            self._network.last_failure = error
            raise TransportError(cause=error) from error

    def _read(self, amt: int | None) -> bytes:
        if amt is not None:
            pace = self._network.pace
            block = self._body.some(pace.portion(amt))
            pace.keep(len(block))
            return block
        blocks = iter(self._body.some, b"")
        return b"".join(http_client.capped(blocks, limit_bytes=MEMORY_LIMIT_BYTES, url=self._url))


class _Body(io.RawIOBase):
    """The body of an answer as a file. Reads return what has arrived."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._answer = answer
        self._blocks: Iterator[bytes] = answer.iter_bytes()
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def some(self, most_bytes: int = MEMORY_LIMIT_BYTES) -> bytes:
        """The next bytes, at most `most_bytes`; empty at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = memoryview(block)
        taken = bytes(self._rest[:most_bytes])
        self._rest = self._rest[most_bytes:]
        return taken

    def close(self) -> None:
        self._answer.close()
        super().close()
