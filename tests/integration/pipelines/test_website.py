"""Crawls of real local sites, good and hostile, through the real reader in its child process."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from app.errors import (
    AddressRefused,
    Cancelled,
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PermanentError,
    RetryableError,
    UnsupportedFormat,
)
from app.pipelines.website.schema import Skip
from app.storage.chunks import SqlChunkStore
from app.storage.mongo_chunks import MongoChunkStore
from app.storage.sources import SourceStatus
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork
from tests.integration.pipelines.crawls import SETTINGS, Routes, again, crawled, failed, known_pages
from tests.sites import web
from tests.sites.web import Answer, Web
from tests.waiting import eventually


@pytest.fixture
def work(open_work: OpenWork) -> RecordedWork:
    return open_work(**SETTINGS)


def test_the_pages_of_a_site_become_chunks(work: RecordedWork) -> None:
    with web.serve(fallback=web.many(120)) as site:
        found = crawled(work, site.url, max_pages=400)
    chunks = work.stores.chunks.of_source("s")
    trapped = 5
    assert (found.requested, found.pages, found.failed) == (120 + trapped, 120 + trapped, 0)
    assert (found.url, found.is_complete, found.unchanged) == (f"{site.url}/", True, 0)
    assert (found.chunks, found.tokens) == (len(chunks), sum(chunk.tokens for chunk in chunks))
    assert chunks[3].text.startswith("Story 3\n\nThis is story 3.")
    assert chunks[3].metadata == {
        "headings": ["Story 3"],
        "url": f"{site.url}/story/3",
        "title": "Story 3",
        "language": "en",
    }
    stories = [f"/story/{number}" for number in range(1, 120)]
    assert set(stories) <= set(known_pages(work, site))
    assert len(site.paths()) == len(set(site.paths()))
    assert work.percents == sorted(work.percents)
    source = work.stores.sources.get("s")
    assert (source.status, source.content_sha256) == (SourceStatus.READY, found.content_sha256)


def test_a_crawl_again_reads_what_has_changed_alone(work: RecordedWork) -> None:
    tagged = {"ETag": '"1"'}
    with web.serve() as site:
        site.routes |= {
            "/": web.page("Home", "All begins here.", links=["/old", "/same", "/gone"]),
            "/old": web.page("Old", "What is old."),
            "/same": Answer(
                body=web.html("Same", "What stays.", links=["/leaf"]).encode(), headers=tagged
            ),
            "/leaf": web.page("Leaf", "What hangs at what stays."),
            "/gone": web.page("Gone", "What goes."),
        }
        first = crawled(work, site.url)
        site.routes["/old"] = web.page("Old", "What is new.")
        del site.routes["/gone"]
        site.seen.clear()
        second = crawled(again(work), site.url)
        [conditions] = [headers for path, headers, _ in site.seen if path == "/same"]
    assert (first.pages, first.unchanged) == (5, 0)
    assert (second.pages, second.unchanged, failed(second, site)) == (4, 3, {"/gone": "NotFound"})
    assert conditions["if-none-match"] == '"1"'
    assert known_pages(work, site) == {
        "/": "Home\nAll begins here.",
        "/old": "Old\nWhat is new.",
        "/same": "Same\nWhat stays.",
        "/leaf": "Leaf\nWhat hangs at what stays.",
    }


def test_other_chunk_settings_read_every_page_anew(open_work: OpenWork) -> None:
    quick = {"CELERIAC_WEBSITE_DELAY_S": "0"}
    with web.serve({"/": web.page("Home", "All begins here. " * 30)}) as site:
        crawled(open_work(**quick), site.url)
        smaller = {"CELERIAC_CHUNK_TOKENS": "32", "CELERIAC_CHUNK_OVERLAP_TOKENS": "0"}
        found = crawled(again(open_work(**quick, **smaller)), site.url)
    assert (found.unchanged, found.chunks > 3) == (0, True)


def test_the_limits_on_pages_and_depth_hold(work: RecordedWork) -> None:
    with web.serve(fallback=web.many(500)) as site:
        few = crawled(work, site.url, max_pages=7)
        near = crawled(again(work), site.url, max_depth=1, source_id="near")
    assert (few.requested, few.is_complete) == (7, False)
    assert (near.requested, near.is_complete) == (12, True)


def test_endless_pages_that_are_all_alike_come_to_an_end(open_work: OpenWork) -> None:
    work = open_work(CELERIAC_WEBSITE_DELAY_S="0", CELERIAC_WEBSITE_DEPTH="1000")
    with web.serve(fallback=web.many(1)) as site:
        found = crawled(work, site.url, max_pages=500, max_depth=1000)
    assert (found.requested, found.skipped) == (52, {Skip.ALIKE: 1})


DEEP = b"<html><body>" + b"<div>" * 100_000 + b"<p>deep</p>"


HOSTILE: dict[str, tuple[Callable[[], Answer], str]] = {
    "/endless": (lambda: Answer(body=web.endless()), "LimitExceeded"),
    "/large": (lambda: Answer(headers={"Content-Length": "1073741824"}), "LimitExceeded"),
    "/bomb": (web.bomb, "LimitExceeded"),
    "/loris": (lambda: Answer(body=web.endless(b"x"), pause_s=0.1), "LimitExceeded"),
    "/loop": (lambda: Answer(status=302, headers={"Location": "/loop"}), "PermanentError"),
    "/ping": (lambda: Answer(status=302, headers={"Location": "/pong"}), "PermanentError"),
    "/nowhere": (lambda: Answer(status=302, headers={"Location": "ftp://x/"}), "InvalidInput"),
    "/forbidden": (lambda: Answer(status=403), "PermanentError"),
    "/broken": (lambda: Answer(status=500), "RetryableError"),
    "/rubbish": (
        lambda: Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
        "RetryableError",
    ),
}


def test_each_hostile_page_fails_alone(work: RecordedWork) -> None:
    links = [*HOSTILE, "/crowd", "/good"]
    with web.serve({path: make for path, (make, _) in HOSTILE.items()}) as site:
        site.routes |= {
            "/": web.page("Home", "All begins here.", links=links),
            "/pong": Answer(status=302, headers={"Location": "/ping"}),
            "/crowd": Answer(body=b"".join(b"<a href=?%d>" % n for n in range(60_000)) + b"crowd"),
            "/good": web.page("Good", "All is well."),
        }
        found = crawled(work, site.url, max_pages=len(links) + 1)
    want = {path: error for path, (_, error) in HOSTILE.items()}
    assert failed(found, site) == want
    assert {"/", "/good", "/crowd"} <= set(known_pages(work, site))
    assert len([path for path in site.paths() if path == "/broken"]) == 3


@pytest.mark.parametrize(
    ("routes", "want"),
    [
        pytest.param({}, NotFound, id="it is not there"),
        pytest.param({"/": HOSTILE["/endless"][0]}, LimitExceeded, id="it never ends"),
        pytest.param({"/": HOSTILE["/bomb"][0]}, LimitExceeded, id="it is a bomb"),
        pytest.param({"/": HOSTILE["/loris"][0]}, LimitExceeded, id="it comes drop by drop"),
        pytest.param(
            {"/": Answer(status=302, headers={"Location": "/"})}, PermanentError, id="a circle"
        ),
        pytest.param({"/": Answer(media_type="application/pdf")}, UnsupportedFormat, id="a PDF"),
        pytest.param({"/": Answer(body=b"<img>")}, InvalidInput, id="it has no text"),
        pytest.param({"/": Answer(status=503)}, RetryableError, id="it may come back"),
        pytest.param({"/robots.txt": Answer(status=500)}, RetryableError, id="rules unknown"),
        pytest.param(
            {"/robots.txt": Answer(body=b"User-agent: *\nDisallow: /")},
            PermanentError,
            id="robots are not welcome",
        ),
    ],
)
def test_a_first_page_that_cannot_be_had_ends_the_crawl(
    work: RecordedWork, routes: Routes, want: type[CeleriacError]
) -> None:
    with web.serve(routes) as site, pytest.raises(want) as raised:
        crawled(work, site.url)
    source = work.stores.sources.get("s")
    is_final = isinstance(raised.value, PermanentError)
    assert type(raised.value) is want
    assert source.status is (SourceStatus.FAILED if is_final else SourceStatus.PROCESSING)


def test_private_addresses_are_refused(open_work: OpenWork) -> None:
    with web.serve(fallback=web.many(3)) as site:
        with pytest.raises(AddressRefused):
            crawled(open_work(CELERIAC_ALLOW_PRIVATE_ADDRESSES="false"), site.url)
        assert site.seen == []


def test_a_page_that_breaks_the_reader_fails_alone(open_work: OpenWork) -> None:
    work = open_work(CELERIAC_WEBSITE_DELAY_S="0", CELERIAC_WEBSITE_READING_S="1")
    with web.serve() as site:
        site.routes |= {
            "/": web.page("Home", "All begins here.", links=["/heavy", "/light"]),
            "/heavy": Answer(body=DEEP),
            "/light": web.page("Light", "All is well."),
        }
        found = crawled(work, site.url)
    assert failed(found, site) == {"/heavy": "LimitExceeded"}
    assert set(known_pages(work, site)) == {"/", "/light"}


def waiting(site: Web) -> Iterator[bytes]:
    site.ended.wait()
    yield b""


@pytest.mark.parametrize("where", ["in a pause between two pages", "in a page that never comes"])
def test_cancel_does_not_wait_for_the_site(open_work: OpenWork, where: str) -> None:
    is_pause = "pause" in where
    work = open_work(CELERIAC_WEBSITE_DELAY_S="3600" if is_pause else "0")
    with web.serve() as site:
        if not is_pause:
            site.routes["/robots.txt"] = lambda: Answer(body=waiting(site))

        def cancel() -> None:
            eventually(lambda: bool(site.seen), within_s=20, why="it has asked")
            work.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(Cancelled):
            crawled(work, site.url)
        canceller.join()
    assert work.stores.sources.get("s").status is SourceStatus.PROCESSING


def test_a_crawl_that_was_cut_off_goes_on_where_it_was(work: RecordedWork) -> None:
    with web.serve(fallback=web.many(30)) as site:
        work.cancel_when = lambda report: report.message == "page 20"
        with pytest.raises(Cancelled):
            crawled(work, site.url)
        next_attempt = replace(work, cancel_when=lambda report: False, stop=type(work.stop)())
        found = crawled(next_attempt, site.url)
    assert found.pages == 35
    asked = [path for path in site.paths() if path.startswith("/story")]
    assert len(asked) - len(set(asked)) <= 1
    assert len(known_pages(work, site)) == len(work.stores.chunks.of_source("s")) == 35


def test_the_time_of_a_crawl_ends_it_with_what_it_has(open_work: OpenWork) -> None:
    work = open_work(CELERIAC_WEBSITE_DELAY_S="0.2", CELERIAC_WEBSITE_S="1.5")
    with web.serve(fallback=web.many(500)) as site:
        found = crawled(work, site.url, max_pages=500)
    assert (found.is_complete, 0 < found.pages < 50) == (False, True)
    assert work.stores.sources.get("s").status is SourceStatus.READY


def test_the_source_of_another_bot_is_left_alone(work: RecordedWork) -> None:
    work.stores.sources.create(chatbot_id="theirs", filename="x", source_id="s")
    with web.serve() as site, pytest.raises(InvalidInput, match="another bot"):
        crawled(work, site.url)
    assert site.seen == []


def test_a_site_can_be_kept_in_mongodb(open_work: OpenWork, mongodb_url: str) -> None:
    work = open_work(CELERIAC_WEBSITE_DELAY_S="0", MONGODB_URL=mongodb_url)
    with web.serve() as site:
        site.routes |= {
            "/": web.page("Home", "All begins here.", links=["/leaf"]),
            "/leaf": web.page("Leaf", "And ends here."),
        }
        crawled(work, site.url)
        site.routes["/leaf"] = web.page("Leaf", "And ends there.")
        found = crawled(again(work), site.url)
    assert (found.pages, found.unchanged) == (2, 1)
    assert isinstance(work.stores.chunks, MongoChunkStore)
    assert known_pages(work, site) == {
        "/": "Home\nAll begins here.",
        "/leaf": "Leaf\nAnd ends there.",
    }
    assert [hit.chunk.metadata["title"] for hit in work.stores.chunks.search("there")] == ["Leaf"]
    assert SqlChunkStore(work.platform.database).count() == 0
