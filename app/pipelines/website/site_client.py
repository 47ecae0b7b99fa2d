"""The way to the site: one request at a time, no faster than it likes, none longer than it may."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx2

from app.errors import LimitExceeded
from app.fetch import failures
from app.fetch.http_client import Fetcher
from app.jobs.model.work import Work
from app.pipelines.website import page_urls
from app.settings import WebsiteSettings

SLICE_S = 0.25
"""Between two checks whether the work should end."""

MANY_HOSTS = 1_000


class HostPacing:
    """When each host may get its next request, for all crawls of this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}

    def take(self, host: str, *, delay_s: float, now_s: float) -> float:
        """When the host may be asked, at which moment it is asked then."""
        with self._lock:
            if len(self._free_at) > MANY_HOSTS:
                self._free_at = {name: at for name, at in self._free_at.items() if at > now_s}
            own_s = max(now_s, self._free_at.get(host, 0.0))
            self._free_at[host] = own_s + delay_s
            return own_s


_PACING = HostPacing()


class SiteClient:
    """Requests of one crawl. Close it, or use it as a context manager."""

    def __init__(self, work: Work, settings: WebsiteSettings) -> None:
        self.delay_s = settings.delay_s
        """Between two requests to one host."""
        self._work = work
        self._page_s = settings.page_time_s
        self._pacing = _PACING
        self._deadline_s: float | None = None
        self._fetcher = Fetcher(work.settings.fetch, on_wait=self._check_work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._fetcher.close()

    @contextmanager
    def answered(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx2.Response]:
        """The answer to a GET of whatever status, redirects not followed, its body unread.

        Raises LimitExceeded when answer and body take longer than a page may.
        """
        self._wait(page_urls.host_of(url))
        with self._timed():
            answer = self._fetcher.send(url, headers=headers, follow_redirects=False)
            try:
                with failures.translated(url):
                    yield answer
            finally:
                answer.close()

    @contextmanager
    def opened(self, url: str) -> Iterator[httpx2.Response]:
        """The answer to a GET, redirects followed. A status from 400 raises."""
        self._wait(page_urls.host_of(url))
        with self._timed(), self._fetcher.open(url) as answer:
            yield answer

    def _wait(self, host: str) -> None:
        due_s = self._pacing.take(host, delay_s=self.delay_s, now_s=time.monotonic())
        self.pause(due_s - time.monotonic())

    def pause(self, pause_s: float) -> None:
        """Wait, and look at whether the work should end."""
        until_s = time.monotonic() + pause_s
        self._work.check()
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, SLICE_S))
            self._work.check()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self._deadline_s = time.monotonic() + self._page_s
        try:
            yield
        finally:
            self._deadline_s = None

    def _check_work(self) -> None:
        self._work.check()
        if self._deadline_s is not None and time.monotonic() > self._deadline_s:
            raise LimitExceeded(f"the answer takes more than {self._page_s:g} s")
