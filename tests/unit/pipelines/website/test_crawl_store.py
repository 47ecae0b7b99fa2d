"""Which page comes next."""

from pathlib import Path

from app.errors import RetryableError
from app.pipelines.website.crawl_store import CrawlStore
from app.pipelines.website.frontier import MAX_TRIES
from app.pipelines.website.outcomes import Postponed

ERROR = RetryableError("robots.txt cannot be had")


def test_a_page_that_could_not_even_be_asked_for_waits_behind_the_others(tmp_path: Path) -> None:
    with CrawlStore(tmp_path / "crawl.db", page_limit=10, depth_limit=3) as store:
        store.frontier.add(["http://a/1", "http://a/2"], depth=0)
        met = []
        while (page := store.frontier.next()) is not None:
            met.append(page.url)
            store.record(page, Postponed(error=ERROR))

        assert met == ["http://a/1", "http://a/2"] * MAX_TRIES
        assert store.frontier.requested == 0


def test_a_page_counts_as_requested_once(tmp_path: Path) -> None:
    with CrawlStore(tmp_path / "crawl.db", page_limit=1, depth_limit=3) as store:
        store.frontier.add(["http://a/1", "http://a/2"], depth=0)
        for _ in range(MAX_TRIES):
            page = store.frontier.next()
            assert page is not None
            assert page.url == "http://a/1"
            store.frontier.request(page)
            store.record(page, Postponed(error=ERROR))

        assert store.frontier.next() is None
        assert store.frontier.requested == 1
