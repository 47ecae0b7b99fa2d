"""The crawl of one site: every page goes through the same steps, one page after the other.

    next -> fetch -> read -> evaluate -> record

`CrawlStore` knows which page is next and records what became of it, `Visitor` fetches a page by the
rules of its site, `PageReader` has it read in a child process, and `evaluate` decides.
`Crawl._steps` is the whole sequence.
"""

import json
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.documents import child
from app.documents.child import ChildLimits
from app.documents.items import Item, Position
from app.errors import (
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    RateLimited,
    RetryableError,
    StorageUnavailable,
    WorkStopped,
)
from app.jobs.model.work import Work
from app.pipelines.chunking import Chunker
from app.pipelines.website import crawl_store, page_content, page_urls
from app.pipelines.website.crawl_store import CrawlStore
from app.pipelines.website.frontier import PendingPage
from app.pipelines.website.outcomes import Failed, Kept, Outcome, Postponed, Skipped
from app.pipelines.website.page_content import PageCollector, PageContent
from app.pipelines.website.schema import Skip
from app.pipelines.website.site_client import SiteClient
from app.pipelines.website.visit import Fetched, Unchanged, Visit, Visitor
from app.storage.chunks import NewChunk
from app.storage.crawled_pages import StoredPage
from app.worker.sandbox.policy import Sandbox

READER = "app.documents.web.page_reader"

READ_PERCENT = 90.0
"""Where reading ends and storing begins."""

LONGEST_PAUSE_S = 60.0
"""The longest pause that a busy site gets before the next request."""

RETRY_PAUSE = 4
"""A retried page is requested after this many times the usual pause."""

OldChunks = Callable[[StoredPage], tuple[NewChunk, ...]]

Steps = Generator[Fetched, PageContent]
"""Yields a page to be read, and is sent what is on it."""


class Crawl:
    """Works through the pages of one site."""

    def __init__(
        self,
        work: Work,
        store: CrawlStore,
        client: SiteClient,
        visitor: Visitor,
        *,
        old_chunks: OldChunks,
        deadline_s: float,
    ) -> None:
        self._work = work
        self._store = store
        self._client = client
        self._visitor = visitor
        self._old_chunks = old_chunks
        self._deadline_s = deadline_s
        self._site = ""
        self._first: tuple[PendingPage, Visit] | None = None
        self._percent = 0.0
        self.is_in_time = False
        """Whether the crawl ended because no page was left, not because its time was over."""

    def run(self, first: tuple[PendingPage, Visit] | None, *, site: str, body: Path) -> None:
        """Work until no page is left or a limit is reached. `first` was fetched already, into
        `body`.

        Raises what the work raises to stop.
        """
        self._site, self._first = site, first
        PageReader(self._work, body=body, deadline_s=self._deadline_s).run(self._steps())
        self._store.give_up()

    def _steps(self) -> Steps:
        while self._has_time():
            page = self._next()
            if page is None:
                self.is_in_time = True
                return
            self._report_progress()
            visit = self._fetch(page)
            if isinstance(visit, Fetched):
                content = yield visit
                outcome = self._evaluate(page, content)
            elif isinstance(visit, Unchanged):
                outcome = self._unchanged(page, visit.page)
            else:
                outcome = visit
            self._store.record(page, outcome)

    def _has_time(self) -> bool:
        if self._first is not None:
            return True
        return time.monotonic() + self._client.delay_s <= self._deadline_s

    def _next(self) -> PendingPage | None:
        return self._first[0] if self._first is not None else self._store.frontier.next()

    def _fetch(self, page: PendingPage) -> Visit | Failed | Postponed:
        if self._first is not None:
            (_, visit), self._first = self._first, None
            return visit
        try:
            return self._visit(page)
        except (WorkStopped, StorageUnavailable):
            raise
        except RetryableError as error:
            if isinstance(error, RateLimited) and error.retry_after_s is not None:
                self._client.pause(min(LONGEST_PAUSE_S, error.retry_after_s))
            return Postponed(error=error)
        except CeleriacError as error:
            self._work.check()  # it may be the time limit of the whole work
            return Failed(error=error)

    def _visit(self, page: PendingPage) -> Visit:
        if self._store.frontier.is_file(page):
            return Skipped(reason=Skip.NOT_HTML)
        if not self._visitor.is_allowed(page.address):
            return Skipped(reason=Skip.ROBOTS)
        if page.tries:
            self._client.pause(min(LONGEST_PAUSE_S, self._client.delay_s * RETRY_PAUSE))
        self._store.frontier.request(page)
        return self._visitor.visit(page.address, site=self._site)

    def _evaluate(self, page: PendingPage, content: PageContent) -> Outcome:
        if content.moved_to is not None and self._store.frontier.requested == 1:
            # The first page says whose site it is, also where it sends its readers elsewhere.
            self._site = page_urls.site_of(content.moved_to)
            self._store.note("url", content.moved_to)
        likeness = self._store.likeness(
            page,
            url=content.url,
            canonical=content.canonical,
            text_sha256=content.text_sha256,
            shape=content.shape,
        )
        return page_content.evaluate(content, likeness, site=self._site)

    def _unchanged(self, page: PendingPage, known: StoredPage) -> Outcome:
        """Keep what is known of a page."""
        if self._store.is_taken(known.url, but=page):
            return Skipped(reason=Skip.DUPLICATE)
        chunks = self._old_chunks(known)
        return Kept(
            url=known.url,
            body_digest=known.body_digest,
            text_sha256=known.text_sha256,
            shape=known.shape,
            etag=known.etag,
            modified=known.modified,
            packed_links=known.links,
            characters=sum(len(chunk.text) for chunk in chunks),
            is_unchanged=True,
            links=crawl_store.unpacked(known.links),
            chunks=chunks,
        )

    def _report_progress(self) -> None:
        """The first page says nothing of how many there are, and new links must not move
        the progress back."""
        done = self._store.frontier.requested
        if done > 1:
            reached = READ_PERCENT * self._store.frontier.requested_ratio
            self._percent = max(self._percent, reached)
        self._work.progress(self._percent, f"page {done + 1}")


class PageReader:
    """Has pages read in a child process, one after the other.

    The child asks for the next page when it is ready. A page that breaks it costs that page alone:
    another child goes on.
    """

    def __init__(self, work: Work, *, body: Path, deadline_s: float) -> None:
        self._work = work
        self._body = body
        self._deadline_s = deadline_s
        self._waiting: Fetched | None = None
        self._open: PageCollector | None = None
        self._pipe = -1

    def run(self, steps: Steps) -> None:
        """Read each page that `steps` yields, and send it what is on it, until it ends."""
        self._steps = steps
        self._waiting = next(steps, None)
        while self._waiting is not None and self._runs_again():
            pass

    def _runs_again(self) -> bool:
        """Run a child; whether another one should go on."""
        settings = self._work.settings.websites
        documents = self._work.settings.documents
        self._chunker = Chunker(
            tokens=documents.chunk_tokens, overlap_tokens=documents.chunk_overlap_tokens
        )
        left_s = max(1.0, self._deadline_s - time.monotonic()) + settings.page_time_s * 2
        try:
            with self._requests() as requests:
                child.read_items(
                    READER,
                    [str(requests), str(settings.reading_time_s)],
                    on_item=self._receive,
                    child_limits=ChildLimits(
                        memory_bytes=settings.memory_limit_bytes,
                        cpu_s=int(left_s),
                        timeout_s=left_s,
                    ),
                    sandbox=Sandbox(readable=(self._work.directory,)),
                    run=self._work.run_process,
                    what="page",
                )
        except (InvalidInput, LimitExceeded) as error:
            self._work.check()
            if self._open is None and time.monotonic() < self._deadline_s:
                raise
            if self._open is None:
                return False  # a pause took the rest of the time
            self._advance(error)
        return True

    def _receive(self, item: Item) -> None:
        if not isinstance(item, Position):
            if self._open is not None:
                self._open.take(item)
            return
        if self._open is not None:
            self._advance()
        if self._waiting is None:
            os.write(self._pipe, b"{}\n")
        else:
            self._hand_over(self._waiting)

    def _advance(self, error: CeleriacError | None = None) -> None:
        """Send what is on the open page, and receive the next one."""
        if self._open is not None:
            content, self._open = self._open.finish(error), None
            try:
                self._waiting = self._steps.send(content)
            except StopIteration:
                self._waiting = None

    def _hand_over(self, fetched: Fetched) -> None:
        self._open = PageCollector(fetched, self._chunker)
        request = {
            "path": str(self._body),
            "url": fetched.url,
            "media_type": fetched.media_type[:200],
        }
        os.write(self._pipe, json.dumps(request).encode() + b"\n")

    @contextmanager
    def _requests(self) -> Iterator[Path]:
        """A new pipe to the reader. Both of its ends are open here, so that neither side waits."""
        path = self._work.directory / "requests"
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self._pipe = os.open(path, os.O_RDWR)
        try:
            yield path
        finally:
            os.close(self._pipe)
            path.unlink(missing_ok=True)
