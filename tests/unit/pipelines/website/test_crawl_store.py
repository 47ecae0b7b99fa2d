"""Which page comes next."""

from pathlib import Path

from app.errors import RetryableError
from app.pipelines.website.crawl_store import MAX_TRIES, Notebook

ERROR = RetryableError("robots.txt cannot be had")


def test_a_page_that_could_not_even_be_asked_for_waits_behind_the_others(tmp_path: Path) -> None:
    with Notebook(tmp_path / "notebook", page_limit=10, depth_limit=3) as notebook:
        notebook.add(["http://a/1", "http://a/2"], depth=0)
        met = []
        while (page := notebook.next()) is not None:
            met.append(page.url)
            notebook.postpone(page, ERROR)

        assert met == ["http://a/1", "http://a/2"] * MAX_TRIES
        assert notebook.requested == 0


def test_a_page_counts_as_requested_once(tmp_path: Path) -> None:
    with Notebook(tmp_path / "notebook", page_limit=1, depth_limit=3) as notebook:
        notebook.add(["http://a/1", "http://a/2"], depth=0)
        for _ in range(MAX_TRIES):
            page = notebook.next()
            assert page is not None
            assert page.url == "http://a/1"
            notebook.request(page)
            notebook.postpone(page, ERROR)

        assert notebook.next() is None
        assert notebook.requested == 1
