"""Make a bot know a web site: its pages, their chunks, its source's status."""

import hashlib
import time
from collections.abc import Iterator, Mapping

from app import errors
from app.documents.items import CaveatCode
from app.errors import CeleriacError, InvalidInput, NotFound, PermanentError, UnsupportedFormat
from app.fetch import failures
from app.jobs.model.work import Work
from app.pipelines import source_progress
from app.pipelines.reading_warnings import ReadingWarning
from app.pipelines.website import page_urls, robots_and_sitemaps
from app.pipelines.website.crawl import READ_PERCENT, Crawl
from app.pipelines.website.crawl_store import CrawlStore, CrawlTotals
from app.pipelines.website.frontier import ADDRESSES_PER_PAGE, LeftOut, PendingPage
from app.pipelines.website.outcomes import Skipped
from app.pipelines.website.schema import Crawled, Skip, WebsiteParams
from app.pipelines.website.site_client import SiteClient
from app.pipelines.website.visit import Unchanged, Visit, Visitor
from app.storage.chunks import Chunk, NewChunk
from app.storage.crawled_pages import StoredPage

EDITION = 2
"""Of the way pages are read. Another one makes every page a new one at the next crawl."""

_STORE, _BODY = "crawl.db", "page"

_REFUSED: dict[Skip, tuple[type[PermanentError], str]] = {
    Skip.ROBOTS: (PermanentError, "the robots.txt of the site asks not to fetch it"),
    Skip.NOT_HTML: (UnsupportedFormat, "it is no HTML page"),
}


_SKIPPED = {
    Skip.ROBOTS: "robots.txt disallows them",
    Skip.HIDDEN: "they ask not to be indexed",
    Skip.NOT_HTML: "they are not HTML",
    Skip.OFF_SITE: "they redirect to another site",
    Skip.DUPLICATE: "they are other addresses or copies of pages that were kept",
    Skip.ALIKE: "their texts differ from those of many others only in their numbers",
    Skip.NO_TEXT: "they have no text",
}

_LEFT_OUT = {
    LeftOut.DEPTH: "they are too many links away from the first page (max_depth)",
    LeftOut.ENDLESS: "they look like endlessly many addresses of the same pages",
    LeftOut.MANY: "there are too many of them for the limit on pages (max_pages)",
}


def process(params: WebsiteParams, work: Work) -> Crawled:
    """Crawl the site, replace the chunks of its source, and mark the source ready.

    Goes on where an attempt before was cut off. Raises NotFound, UnsupportedFormat, LimitExceeded,
    AddressRefused, PermanentError, RetryableError of the first page; InvalidInput when no page has
    text; StorageUnavailable; and what the work raises to stop.
    """
    begun = source_progress.processing(
        params.source_id,
        work,
        chatbot_id=params.chatbot_id,
        filename=lambda: failures.shown(str(params.url)),
    )
    with begun as source_id:
        return _Site(params, source_id, work).crawled()


class _Site:
    """One crawl from begin to end."""

    def __init__(self, params: WebsiteParams, source_id: str, work: Work) -> None:
        self._params = params
        self._source_id = source_id
        self._work = work
        self._settings = work.settings.websites
        self._page_limit = min(params.max_pages, self._settings.page_limit)
        self._depth_limit = min(params.max_depth, self._settings.depth_limit)

    def crawled(self) -> Crawled:
        deadline_s = time.monotonic() + self._settings.time_limit_s
        path = self._work.directory / _STORE
        with (
            CrawlStore(path, page_limit=self._page_limit, depth_limit=self._depth_limit) as store,
            SiteClient(self._work, self._settings) as client,
        ):
            self._work.progress(0, "asking for the first page")
            visitor = self._visitor(store, client)
            first = self._begun(store, visitor)
            self._seed(store, client, visitor, until_s=deadline_s)
            crawl = Crawl(
                self._work,
                store,
                client,
                visitor,
                old_chunks=self._old_chunks,
                deadline_s=deadline_s,
            )
            site = page_urls.site_of(store.fact("url") or "")
            crawl.run(first, site=site, body=self._work.directory / _BODY)
            return self._stored(store, is_in_time=crawl.is_in_time)

    def _visitor(self, store: CrawlStore, client: SiteClient) -> Visitor:
        documents = self._work.settings.documents
        salt = f"{EDITION}:{documents.chunk_tokens}:{documents.chunk_overlap_tokens}"

        def find_known(url: str) -> StoredPage | None:
            page = store.known(url)
            if page is None or not page.body_digest.startswith(f"{salt}:"):
                return None
            return page if self._old_chunks(page) else None

        return Visitor(
            client,
            body=self._work.directory / _BODY,
            limit_bytes=self._settings.page_limit_bytes,
            find_known=find_known,
            salt=salt,
        )

    def _begun(self, store: CrawlStore, visitor: Visitor) -> tuple[PendingPage, Visit] | None:
        """Visit the first page, which says whose site it is; None when that was done before."""
        if store.fact("url") is not None:
            return None
        start = page_urls.absolute(str(self._params.url))
        if start is None:
            raise InvalidInput("the address of the first page is too long")
        store.learn(self._work.stores.pages.of_source(self._source_id))
        store.frontier.add([start], depth=0)
        page = store.frontier.next()
        if page is None:
            raise InvalidInput(f"{failures.shown(start)} looks like one of endlessly many pages")
        visit = visitor.visit(page.address, site=None)
        if isinstance(visit, Skipped):
            kind, words = _REFUSED[visit.reason]
            raise kind(f"{failures.shown(start)}: {words}")
        store.frontier.request(page)
        store.note("url", visit.page.url if isinstance(visit, Unchanged) else visit.url)
        return page, visit

    def _seed(
        self, store: CrawlStore, client: SiteClient, visitor: Visitor, *, until_s: float
    ) -> None:
        """Let the pages of the sitemaps wait."""
        url = store.fact("url") or ""
        if store.fact("seeded") is not None:
            return
        if self._depth_limit and not self._params.ignore_sitemap:
            named = list(visitor.robots_of(url).sitemaps)
            guessed = [] if named else [page_urls.root_of(url) + "sitemap.xml"]

            def failed(address: str, error: CeleriacError) -> None:
                if not (address in guessed and isinstance(error, NotFound)):
                    store.note_failure(address, error)

            pages = robots_and_sitemaps.sitemap_pages(
                named or guessed,
                client,
                site=page_urls.site_of(url),
                limit=self._page_limit * ADDRESSES_PER_PAGE,
                on_failure=failed,
                until_s=until_s,
            )
            store.frontier.add(pages, depth=1)
        store.note("seeded", "yes")

    def _old_chunks(self, page: StoredPage) -> tuple[NewChunk, ...]:
        """The chunks that the page has by now; none when others stand in their place."""
        found = self._work.stores.chunks.part_of_source(
            self._source_id, first=page.first_ordinal, count=page.chunks
        )
        is_whole = len(found) == page.chunks and all(_is_of(chunk, page) for chunk in found)
        if not is_whole:
            return ()
        return tuple(
            NewChunk(text=chunk.text, tokens=chunk.tokens, metadata=chunk.metadata)
            for chunk in found
        )

    def _stored(self, store: CrawlStore, *, is_in_time: bool) -> Crawled:
        totals = store.totals()
        if not totals.kept:
            raise _nothing_found(store)
        stores = self._work.stores
        self._work.progress(READ_PERCENT, f"storing {totals.chunks} chunks")
        chunks = self._checked(store.chunks())
        stores.chunks.replace(self._source_id, chunks, chatbot_id=self._params.chatbot_id)
        stores.pages.replace(self._source_id, store.pages())
        content_sha256 = _digest(store)
        stores.sources.mark_ready(self._source_id, content_sha256=content_sha256)
        self._work.progress(100, f"{totals.kept} pages, {totals.chunks} chunks")
        is_complete = is_in_time and not totals.waiting
        return self._answer(store, totals, content_sha256, is_complete=is_complete)

    def _answer(
        self, store: CrawlStore, totals: CrawlTotals, content_sha256: str, *, is_complete: bool
    ) -> Crawled:
        skipped = store.skipped()
        return Crawled(
            source_id=self._source_id,
            chatbot_id=self._params.chatbot_id,
            url=failures.shown(store.fact("url") or ""),
            requested=totals.requested,
            pages=totals.kept,
            unchanged=totals.unchanged,
            skipped=skipped,
            failed=totals.failed,
            failures=store.failures(),
            warnings=tuple(_warnings(totals, store.skipped(), store.frontier.left_out())),
            is_complete=is_complete,
            chunks=totals.chunks,
            characters=totals.characters,
            tokens=totals.tokens,
            content_sha256=content_sha256,
        )

    def _checked(self, chunks: Iterator[NewChunk]) -> Iterator[NewChunk]:
        for chunk in chunks:
            self._work.check()
            yield chunk


def _digest(store: CrawlStore) -> str:
    """Of all that the pages say."""
    digest = hashlib.sha256()
    for page in store.pages():
        digest.update(f"{page.url} {page.text_sha256}\n".encode())
    return digest.hexdigest()


def _is_of(chunk: Chunk, page: StoredPage) -> bool:
    return page_urls.normalized(str(chunk.metadata.get("url"))) == page.url


def _nothing_found(store: CrawlStore) -> CeleriacError:
    """What a crawl fails with that found no page."""
    failed = store.failures()
    if not failed:
        return InvalidInput("there is no text on the pages of the site")
    kind: type[CeleriacError] = getattr(errors, failed[0].type, InvalidInput)
    return kind(failed[0].message)


def _warnings(
    totals: CrawlTotals, skipped: Mapping[Skip, int], left_out: Mapping[LeftOut, int]
) -> Iterator[ReadingWarning]:
    """What was left out, by reason."""
    for skip, why in _SKIPPED.items():
        yield from _warning(CaveatCode.PAGES_SKIPPED, skipped.get(skip, 0), f"skipped: {why}")
    yield from _warning(CaveatCode.PAGES_FAILED, totals.failed, "could not be read: see failures")
    yield from _warning(
        CaveatCode.ADDRESSES_LEFT_OUT,
        totals.waiting,
        "not requested: the limit on pages or time was reached",
    )
    for reason, why in _LEFT_OUT.items():
        count = left_out.get(reason, 0)
        yield from _warning(CaveatCode.ADDRESSES_LEFT_OUT, count, f"not requested: {why}")


def _warning(code: CaveatCode, count: int, what: str) -> Iterator[ReadingWarning]:
    if count:
        subject = "1 page" if count == 1 else f"{count} pages"
        yield ReadingWarning(code=code, message=f"{subject} {what}.", count=count)
