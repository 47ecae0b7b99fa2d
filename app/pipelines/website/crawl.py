"""The crawl: pages are asked for one after the other, read in a child process, and noted.

The child asks for work: when it is ready for a page, the next one is fetched and its file handed
over by a named pipe. When a page breaks it, the page has failed, and another child goes on.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.documents import items
from app.documents.items import Position
from app.errors import (
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    ProcessFailed,
    RateLimited,
    RetryableError,
    StorageUnavailable,
    WorkStopped,
)
from app.jobs.model.work import Work
from app.pipelines.chunking import Chunker
from app.pipelines.website import crawl_store as notes
from app.pipelines.website.crawl_store import Notebook, Waiting
from app.pipelines.website.page_content import Verdict, Writer
from app.pipelines.website.schema import Skip
from app.pipelines.website.site_client import Network
from app.pipelines.website.visit import Fetched, Passed, Unchanged, Visit, Visitor
from app.storage.chunks import NewChunk
from app.storage.pages import Page
from app.worker import limits as worker_limits

READER = "app.documents.web.page_reader"

READ_PERCENT = 90.0
"""Where reading ends and storing begins."""

LONGEST_PAUSE_S = 60.0
"""That a busy site gets before the next page is asked for."""

RETRY_PAUSE = 4
"""So many times the usual pause stands before a page that is tried again."""

OldChunks = Callable[[Page], list[NewChunk]]


class Crawl:
    """Works through the notebook of one site."""

    def __init__(
        self,
        work: Work,
        notebook: Notebook,
        network: Network,
        visitor: Visitor,
        *,
        body: Path,
        site: str,
        old_chunks: OldChunks,
        deadline_s: float,
    ) -> None:
        self._work = work
        self._notebook = notebook
        self._network = network
        self._visitor = visitor
        self._body = body
        self._site = site
        self._old_chunks = old_chunks
        self._deadline_s = deadline_s
        self._given: tuple[Waiting, Visit] | None = None
        self._writer: Writer | None = None
        self._pipe = -1
        self._percent = 0.0
        self.is_in_time = True

    def run(self, first: tuple[Waiting, Visit] | None) -> None:
        """Work until no page is left or a limit is reached. `first` was fetched already.

        Raises what the work raises to stop.
        """
        self._given = first
        while self._is_broken_off():
            pass
        self._notebook.give_up()

    def _is_broken_off(self) -> bool:
        """Read pages until the end, or until one breaks the reader."""
        settings = self._work.platform.settings.websites
        self._chunker = self._new_chunker()
        left_s = max(1.0, self._deadline_s - time.monotonic()) + settings.page_time_s * 2
        try:
            with self._requests() as requests:
                worker_limits.run_limited(
                    READER,
                    [str(requests), str(settings.reading_time_s)],
                    memory_bytes=settings.memory_limit_bytes,
                    cpu_s=int(left_s),
                    timeout_s=left_s,
                    on_line=self._hear,
                    run=self._work.run_process,
                )
        except (ProcessFailed, LimitExceeded, json.JSONDecodeError) as error:
            self._work.check()
            if self._writer is None and time.monotonic() > self._deadline_s:
                self.is_in_time = False  # a pause took the rest of the time: nothing was read
                return False
            if self._writer is None:
                raise
            is_limit = isinstance(error, LimitExceeded)
            words = str(error) if is_limit else "the page is damaged: its reader broke down on it"
            self._notebook.fail(
                self._writer.page, LimitExceeded(words) if is_limit else InvalidInput(words)
            )
            self._writer = None
            return True
        return False

    def _new_chunker(self) -> Chunker:
        settings = self._work.platform.settings.documents
        return Chunker(tokens=settings.chunk_tokens, overlap_tokens=settings.chunk_overlap_tokens)

    @contextmanager
    def _requests(self) -> Iterator[Path]:
        """A new pipe to the reader. It is open at both ends here, so that nobody waits for it."""
        path = self._work.directory / "requests"
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        self._pipe = os.open(path, os.O_RDWR)
        try:
            yield path
        finally:
            os.close(self._pipe)
            path.unlink(missing_ok=True)

    def _hear(self, line: dict[str, Any]) -> None:  # JSON
        item = items.from_json(line)
        if not isinstance(item, Position):
            if self._writer is not None:
                self._writer.take(item)
            return
        if self._writer is not None:
            self._note(self._writer)
            self._writer = None
        self._go_on()

    def _go_on(self) -> None:
        """Give the reader its next page, or its leave."""
        while (page := self._next()) is not None:
            seen = self._seen(page)
            if isinstance(seen, Fetched):
                self._hand_over(page, seen)
                return
        os.write(self._pipe, b"{}\n")

    def _next(self) -> Waiting | None:
        if self._given is not None:
            return self._given[0]
        if time.monotonic() + self._network.delay_s > self._deadline_s:
            self.is_in_time = False
            return None
        return self._notebook.next()

    def _seen(self, page: Waiting) -> Visit | None:
        """Fetch the page, and note it unless it has to be read; None when it could not be had."""
        self._tell()
        try:
            seen = self._visited(page)
        except (WorkStopped, StorageUnavailable):
            raise
        except RetryableError as error:
            self._notebook.postpone(page, error)
            self._rest(error)
            return None
        except CeleriacError as error:
            self._work.check()  # it may be the time limit of the whole work
            self._notebook.fail(page, error)
            return None
        match seen:
            case Passed(reason=reason):
                self._notebook.skip(page, reason)
            case Unchanged(page=known):
                self._keep_known(page, known)
        return seen

    def _visited(self, page: Waiting) -> Visit:
        if self._given is not None:
            _, seen = self._given
            self._given = None
            return seen
        if not self._visitor.is_welcome(page.url):
            return Passed(reason=Skip.ROBOTS)
        if page.tries:
            self._network.pause(min(LONGEST_PAUSE_S, self._network.delay_s * RETRY_PAUSE))
        self._notebook.request(page)
        return self._visitor.visit(page.url, site=self._site)

    def _rest(self, error: RetryableError) -> None:
        if isinstance(error, RateLimited) and error.retry_after_s is not None:
            self._network.pause(min(LONGEST_PAUSE_S, error.retry_after_s))

    def _hand_over(self, page: Waiting, fetched: Fetched) -> None:
        self._writer = Writer(page, fetched, self._chunker, site=self._site)
        request = {
            "path": str(self._body),
            "url": fetched.url,
            "media_type": fetched.media_type[:200],
        }
        os.write(self._pipe, json.dumps(request).encode() + b"\n")

    def _note(self, writer: Writer) -> None:
        """What becomes of a page that was read."""
        verdict = writer.verdict(self._notebook)
        match verdict:
            case Verdict(error=CeleriacError() as error):
                self._notebook.fail(writer.page, error)
            case Verdict(skip=Skip() as reason):
                self._notebook.skip(writer.page, reason, shape=verdict.shape, leads=verdict.leads)
            case _:
                self._notebook.keep(
                    writer.page,
                    writer.found(),
                    writer.chunks(),
                    url=writer.address,
                    leads=verdict.leads,
                )

    def _keep_known(self, page: Waiting, known: Page) -> None:
        if self._notebook.is_taken(known.url, but=page):
            self._notebook.skip(page, Skip.DUPLICATE)
            return
        chunks = self._old_chunks(known)
        found = notes.Found(
            body_digest=known.body_digest,
            text_sha256=known.text_sha256,
            shape=known.shape,
            etag=known.etag,
            modified=known.modified,
            links=known.links,
            characters=sum(len(chunk.text) for chunk in chunks),
            is_unchanged=True,
        )
        leads = notes.unpacked(known.links)
        self._notebook.keep(page, found, chunks, url=known.url, leads=leads)

    def _tell(self) -> None:
        """How far it is; what is still to be found may be much, so that the first page says nothing
        of it, and a page of new links must not turn it back."""
        done = self._notebook.requested
        if done > 1:
            reached = READ_PERCENT * self._notebook.requested_ratio
            self._percent = max(self._percent, reached)
        self._work.progress(self._percent, f"page {done + 1}")
