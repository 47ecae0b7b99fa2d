"""An HTTP client for jobs: it checks addresses, limits sizes, and can be cancelled."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.cookiejar import CookieJar
from typing import Self

import httpcore2
import httpx2

from app.errors import LimitExceeded
from app.fetch import addresses, failures, guarded_connection
from app.settings import FetchSettings

MAX_REDIRECTS = 10

MAX_CONNECTIONS = 100
"""An answer that was not read to its end keeps its connection until it is closed."""

USER_AGENT = "Mozilla/5.0 (compatible; celeriac)"


def _nothing() -> None:
    return None


class Fetcher:
    """An HTTP client for addresses that jobs may reach. Close it, or use it as a context manager.

    `on_wait` is called at least twice a second while the network is slow, in the calling thread. An
    exception from it, such as Cancelled, ends the transfer. Not safe for several threads at once.
    """

    def __init__(
        self,
        settings: FetchSettings,
        *,
        on_wait: Callable[[], None] = _nothing,
        cookies: CookieJar | None = None,
        resolve: addresses.Resolve = addresses.resolve,
    ) -> None:
        guard = addresses.Guard(
            allow_private=settings.allow_private_addresses,
            allowed_networks=settings.allowed_networks,
            allowed_hosts=settings.allowed_hosts,
            resolve=resolve,
        )
        self._client = httpx2.Client(
            transport=_Transport(
                guard,
                on_wait,
                proxy_url=settings.proxy_url,
                min_bytes_per_s=settings.min_bytes_per_s,
            ),
            cookies=cookies,
            headers={"User-Agent": USER_AGENT},
            timeout=settings.timeout_s,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def send(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        follow_redirects: bool = True,
    ) -> httpx2.Response:
        """Send a request and follow redirects; returns the answer of any status, its body unread.
        The caller closes it, and reads it within `failures.translated`.

        Raises AddressRefused (also for no such host), RetryableError, PermanentError.
        """
        with failures.translated(url):
            request = self._client.build_request(method, url, headers=headers, content=content)
            return self._client.send(request, stream=True, follow_redirects=follow_redirects)

    @contextmanager
    def open(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx2.Response]:
        """The answer to a GET, its body unread. A status from 400 raises (`failures.of_status`)."""
        response = self.send(url, headers=headers)
        try:
            if response.status_code >= 400:
                raise failures.of_status(
                    response.status_code,
                    url=url,
                    now=datetime.now(UTC),
                    retry_after=response.headers.get("Retry-After"),
                )
            with failures.translated(url):
                yield response
        finally:
            response.close()

    def read(self, url: str, *, limit_bytes: int) -> bytes:
        """The body, decompressed. Raises LimitExceeded when it has more than `limit_bytes`."""
        with self.open(url) as response:
            return b"".join(capped(response.iter_bytes(), limit_bytes=limit_bytes, url=url))


def capped(blocks: Iterator[bytes], *, limit_bytes: int, url: str) -> Iterator[bytes]:
    """The blocks, until they are more than `limit_bytes`: then LimitExceeded."""
    seen_bytes = 0
    for block in blocks:
        seen_bytes += len(block)
        if seen_bytes > limit_bytes:
            raise LimitExceeded(f"{failures.shown(url)} has more than {limit_bytes} bytes")
        yield block


class _Transport(httpx2.BaseTransport):
    """httpx over httpcore's connection pool, whose connections are ours.

    Behind a proxy the connection goes to the proxy, which the operator named and trusts. Then the
    target's name is judged here before each request, and pinning it is the proxy's part.
    """

    def __init__(
        self,
        guard: addresses.Guard,
        on_wait: Callable[[], None],
        *,
        proxy_url: str | None,
        min_bytes_per_s: float,
    ) -> None:
        self._guard = guard
        self._is_proxied = proxy_url is not None
        self._pool: httpcore2.ConnectionPool
        if proxy_url is None:
            backend = guarded_connection.GuardedBackend(
                guard, on_wait, min_bytes_per_s=min_bytes_per_s
            )
            self._pool = httpcore2.ConnectionPool(
                network_backend=backend, max_connections=MAX_CONNECTIONS
            )
        else:
            trusted = addresses.Guard(allow_private=True, resolve=addresses.resolve)
            backend = guarded_connection.GuardedBackend(
                trusted, on_wait, min_bytes_per_s=min_bytes_per_s
            )
            proxy = httpx2.Proxy(proxy_url)
            self._pool = httpcore2.HTTPProxy(
                proxy_url=str(proxy.url),
                proxy_auth=proxy.raw_auth,
                network_backend=backend,
                max_connections=MAX_CONNECTIONS,
            )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._is_proxied:
            self._check(request.url)
        answer = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()

    def _check(self, url: httpx2.URL) -> None:
        try:
            self._guard.allowed(url.host, url.port or {"http": 80, "https": 443}[url.scheme])
        except failures.UnknownHost:
            return  # a name that only the proxy knows: its rules decide


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
