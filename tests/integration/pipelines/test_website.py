"""Crawls of real local sites, good and hostile, through the real reader in its child process."""

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
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
from app.pipelines.website import crawl_stage
from app.pipelines.website.schema import Crawled, Skip, WebsiteParams
from app.storage.chunks import SqlChunkStore
from app.storage.mongo_chunks import MongoChunkStore
from app.storage.sources import SourceStatus
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork
from tests.sites import web
from tests.sites.web import Answer, Web
from tests.waiting import eventually

Routes = Mapping[str, Answer | Callable[[], Answer]]


def crawled(work: RecordedWork, url: str, **params: object) -> Crawled:
    values = {"chatbot_id": "bot", "source_id": "s", "url": url, **params}
    return crawl_stage.process(WebsiteParams.model_validate(values), work)


def known_pages(work: RecordedWork, site: Web) -> dict[str, str]:
    """What the bot knows: path of each page to the text of its chunks."""
    found: dict[str, str] = {}
    for chunk in work.stores.chunks.of_source("s"):
        path = chunk.metadata["url"].removeprefix(site.url)
        found[path] = found.get(path, "") + chunk.text
    return found


def failed(found: Crawled, site: Web) -> dict[str, str]:
    """Path of each page that failed to the error's type."""
    return {failure.url.removeprefix(site.url): failure.type for failure in found.failures}


@pytest.fixture
def work(open_work: OpenWork) -> RecordedWork:
    return open_work(
        CELERIAC_WEBSITE_DELAY_S="0",
        CELERIAC_FETCH_TIMEOUT_S="5",
        CELERIAC_WEBSITE_PAGE_S="1",
        CELERIAC_WEBSITE_PAGE_BYTES="1000000",
    )


def again(work: RecordedWork) -> RecordedWork:
    """The work of the next job."""
    return replace(work, key=f"{work.key}-again", reports=[])


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


ROBOTS = """
User-agent: *
Disallow: /
User-agent: celeriac
Disallow: /private/
Allow: /private/open
Crawl-delay: 0.02
Sitemap: {url}/maps.xml
"""

MAPS = """<?xml version="1.0"?><sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<sitemap><loc>{url}/map.xml.gz</loc></sitemap><sitemap><loc>{url}/map.txt</loc></sitemap>
<sitemap><loc>{url}/attack.xml</loc></sitemap></sitemapindex>"""

MAP = """<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>{url}/mapped?a=1&amp;b=2</loc></url><url><loc>https://elsewhere.example/</loc></url>
</urlset>"""

ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE u [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<urlset><url><loc>&b;</loc></url></urlset>"
)

LINKS = [
    "/private/secret",
    "/private/open",
    "/a/b/../../up",
    "/moved",
    "/abroad",
    "/image",
    "/paper.pdf",
    "/gone",
    "/hidden",
    "/quiet",
    "/copy",
    "/sorted?by=name",
    "/latin",
    "/empty",
    "/x?utm_source=mail&sid=7#part",
    "mailto:me@example.org",
    "javascript:alert(1)",
    "https://elsewhere.example/",
    "http://[::1",
]


def corners(site: Web) -> Routes:
    """A site with one page for each rule."""
    told = "Words that stand on no other page: "
    return {
        "/robots.txt": Answer(body=ROBOTS.format(url=site.url).encode(), media_type="text/plain"),
        "/maps.xml": Answer(body=MAPS.format(url=site.url).encode(), media_type="text/xml"),
        "/map.xml.gz": Answer(body=gzip.compress(MAP.format(url=site.url).encode())),
        "/map.txt": Answer(body=f"{site.url}/listed\nnonsense\n".encode()),
        "/attack.xml": Answer(body=ENTITIES.encode(), media_type="text/xml"),
        "/": web.page("Home", told + "home", links=LINKS),
        "/private/open": web.page("Open", told + "open"),
        "/private/secret": web.page("Secret", told + "secret"),
        "/up": web.page("Up", told + "up"),
        "/moved": Answer(status=301, headers={"Location": "../new"}),
        "/new": web.page("New", told + "new"),
        "/abroad": Answer(status=302, headers={"Location": "http://127.0.0.2:1/"}),
        "/image": Answer(body=b"\x89PNG", media_type="image/png"),
        "/hidden": web.page(
            "Hidden", told + "hidden", links=["/behind"], head="<meta name=robots content=noindex>"
        ),
        "/behind": web.page("Behind", told + "behind"),
        "/quiet": web.page(
            "Quiet", told + "quiet", links=["/dark"], head="<meta name=robots content=nofollow>"
        ),
        "/dark": web.page("Dark", told + "dark"),
        "/copy": web.page("Up", told + "up"),
        "/sorted?by=name": web.page(
            "Sorted", told + "sorted", head="<link rel=canonical href='/sorted'>"
        ),
        "/sorted": web.page("Sorted", told + "sorted"),
        "/latin": Answer(
            body=web.html("Größe", told + "größer als fünf Äpfel").encode("cp1252"),
            media_type="text/html; charset=utf-8",
        ),
        "/empty": Answer(body=b"<html><body><img src=x></body></html>"),
        "/x?utm_source=mail&sid=7": web.page("X", told + "x"),
        "/paper.pdf": Answer(body=b"%PDF-1.7", media_type="application/pdf"),
        "/mapped?a=1&b=2": web.page("Mapped", told + "mapped"),
        "/listed": web.page("Listed", told + "listed"),
    }


def test_every_rule_of_a_site_is_kept(work: RecordedWork) -> None:
    with web.serve() as site:
        site.routes |= corners(site)
        found = crawled(work, site.url)
    want = "/ /private/open /up /new /behind /quiet /sorted /latin"
    want += " /x?utm_source=mail&sid=7 /mapped?a=1&b=2 /listed"
    assert sorted(known_pages(work, site)) == sorted(want.split())
    assert found.skipped == {
        Skip.ROBOTS: 1,
        Skip.OFF_SITE: 1,
        Skip.NOT_HTML: 2,
        Skip.HIDDEN: 1,
        Skip.NO_TEXT: 1,
        Skip.DUPLICATE: 3,  # the copy, and two that go by another address
    }
    assert failed(found, site) == {"/attack.xml": "InvalidInput", "/gone": "NotFound"}
    assert "größer als fünf Äpfel" in known_pages(work, site)["/latin"]
    assert {"/private/secret", "/dark"}.isdisjoint(site.paths())
    asked_at = [at for path, _, at in site.seen if path != "/robots.txt"]
    assert asked_at[-1] - asked_at[0] >= 0.015 * (len(asked_at) - 1)


def told(found: Crawled) -> list[tuple[str, int | None]]:
    """The warnings: the end of each message, and its count."""
    return [
        (each.message.partition(": ")[2] or each.message, each.count) for each in found.warnings
    ]


def test_what_was_left_out_is_told_by_reason(work: RecordedWork) -> None:
    with web.serve() as site:
        site.routes |= corners(site)
        found = crawled(work, site.url, max_depth=1)
    assert told(found) == [
        ("robots.txt disallows them.", 1),
        ("they ask not to be indexed.", 1),
        ("they are not HTML.", 2),
        ("they redirect to another site.", 1),
        ("they are other addresses or copies of pages that were kept.", 3),
        ("they have no text.", 1),
        ("see failures.", 2),
        ("they are too many links away from the first page (max_depth).", 1),
    ]


KINDS: dict[str, tuple[dict[str, Answer], dict[str, str]]] = {
    "an address is requested as it was linked": (
        {
            "/": web.page("Home", "All begins here.", links=["/b//c?z=1&a=2&utm_source=x"]),
            "/b//c?z=1&a=2&utm_source=x": web.page("C", "As it was linked."),
        },
        {"/b//c?z=1&a=2&utm_source=x": "C\nAs it was linked."},
    ),
    "a short id is not a session": (
        {
            "/": web.page("Home", "All begins here.", links=["/s?sid=7", "/s?sid=8"]),
            "/s?sid=7": web.page("Seven", "The seventh story."),
            "/s?sid=8": web.page("Eight", "The eighth story."),
        },
        {"/s?sid=7": "Seven\nThe seventh story.", "/s?sid=8": "Eight\nThe eighth story."},
    ),
    "a meta element moves": (
        {
            "/": web.page("Home", "All begins here.", links=["/old"]),
            "/old": Answer(body=b"<meta http-equiv=Refresh content='0; url=new'>You are moved."),
            "/new": web.page("New", "The new place."),
        },
        {"/new": "New\nThe new place."},
    ),
    "a page that reloads itself stays": (
        {
            "/": web.page("Home", "All begins here.", links=["/live"]),
            "/live": web.page(
                "Live", "News.", head="<meta http-equiv=refresh content='60;url=/x'>"
            ),
        },
        {"/live": "Live\nNews."},
    ),
    "a header moves": (
        {
            "/": web.page("Home", "All begins here.", links=["/old"]),
            "/old": Answer(body=b"<p>moved</p>", headers={"Refresh": "0; url=/new"}),
            "/new": web.page("New", "The new place."),
        },
        {"/new": "New\nThe new place."},
    ),
    "frames are read": (
        {
            "/": web.page("Home", "All begins here.", links=["/set"]),
            "/set": Answer(body=b"<frameset><frame src=/left><frame src=/right></frameset>"),
            "/left": web.page("Left", "The left side."),
            "/right": web.page("Right", "The right side."),
        },
        {"/left": "Left\nThe left side.", "/right": "Right\nThe right side."},
    ),
    "a suffix is not a type": (
        {
            "/": web.page("Home", "All begins here.", links=["/guide.pdf", "/data.xml"]),
            "/guide.pdf": web.page("Guide", "A page about a PDF."),
            "/data.xml": Answer(body=b"<a/>", media_type="application/xml"),
        },
        {"/guide.pdf": "Guide\nA page about a PDF."},
    ),
    "a header hides a page and its links": (
        {
            "/": web.page("Home", "All begins here.", links=["/hidden", "/blind", "/theirs"]),
            "/hidden": Answer(
                body=web.html("Hidden", "Not for robots.").encode(),
                headers={"X-Robots-Tag": "noarchive, noindex"},
            ),
            "/blind": Answer(
                body=web.html("Blind", "Leads nowhere.", links=["/behind"]).encode(),
                headers={"X-Robots-Tag": "nofollow"},
            ),
            "/behind": web.page("Behind", "Never found."),
            "/theirs": Answer(
                body=web.html("Theirs", "Other robots only.").encode(),
                headers={"X-Robots-Tag": "googlebot: noindex"},
            ),
        },
        {"/blind": "Blind\nLeads nowhere.", "/theirs": "Theirs\nOther robots only."},
    ),
    "a canonical with another text is not believed": (
        {
            "/": web.page("Home", "All begins here.", links=["/a", "/b"]),
            "/a": web.page("A", "The first text.", head="<link rel=canonical href=/main>"),
            "/b": web.page("B", "The second text.", head="<link rel=canonical href=/main>"),
            "/main": web.page("Main", "The main text."),
        },
        {
            "/a": "A\nThe first text.",
            "/b": "B\nThe second text.",
            "/main": "Main\nThe main text.",
        },
    ),
    "a canonical with the same text is": (
        {
            "/": web.page("Home", "All begins here.", links=["/a?print", "/a?share"]),
            "/a?print": web.page("A", "The text.", head="<link rel=canonical href=/a>"),
            "/a?share": web.page("A", "The text.", head="<link rel=canonical href=/a>"),
            "/a": web.page("A", "The text."),
        },
        {"/a": "A\nThe text."},
    ),
    "a canonical that is gone leaves the page": (
        {
            "/": web.page("Home", "All begins here.", links=["/a"]),
            "/a": web.page("A", "The text.", head="<link rel=canonical href=/lost>"),
        },
        {"/a": "A\nThe text."},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pages_of_every_kind_are_found(work: RecordedWork, kind: str) -> None:
    routes, want = KINDS[kind]
    with web.serve(routes) as site:
        crawled(work, site.url)
        again_found = crawled(again(work), site.url)
    assert known_pages(work, site) == {"/": "Home\nAll begins here.", **want}
    assert again_found.unchanged == len(want) + 1


def test_files_of_one_suffix_are_requested_last_and_a_few_of_them(work: RecordedWork) -> None:
    images = [f"/{number}.jpg" for number in range(20)]
    answers = {path: Answer(body=b"x", media_type="image/jpeg") for path in images}
    with web.serve(answers) as site:
        site.routes["/"] = web.page("Home", "All begins here.", links=[*images, "/last"])
        site.routes["/last"] = web.page("Last", "A page.")
        found = crawled(work, site.url, max_pages=10)
    asked = [path for path in site.paths() if path not in ("/robots.txt", "/sitemap.xml")]
    assert asked == ["/", "/last", "/0.jpg", "/1.jpg", "/2.jpg"]
    assert (found.skipped, found.is_complete) == ({Skip.NOT_HTML: 20}, True)


def test_a_cookie_wall_is_passed(work: RecordedWork) -> None:
    with web.serve() as site:

        def walled() -> Answer:
            has_cookie = "seen=1" in site.seen[-1][1].get("cookie", "")
            return web.page("In", "Behind the wall.") if has_cookie else wall

        wall = Answer(status=302, headers={"Location": "/in", "Set-Cookie": "seen=1; Path=/"})
        site.routes |= {"/": web.page("Home", "All begins here.", links=["/in"]), "/in": walled}
        crawled(work, site.url)
    assert known_pages(work, site)["/in"] == "In\nBehind the wall."


def test_a_first_page_that_moves_to_another_host_names_the_site(work: RecordedWork) -> None:
    with web.serve() as old, web.serve() as new:
        target = f"<meta http-equiv=refresh content='0; url={new.url}/'>"
        old.routes["/"] = Answer(body=target.encode())
        new.routes["/"] = web.page("Home", "All begins here.", links=["/leaf"])
        new.routes["/leaf"] = web.page("Leaf", "And ends here.")
        found = crawled(work, old.url)
    assert (found.url, found.pages) == (f"{new.url}/", 2)


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
