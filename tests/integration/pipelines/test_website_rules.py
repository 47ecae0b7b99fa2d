"""The rules of a crawl, each on a real local site: links, redirects, cookies, canonicals, files."""

import gzip

import pytest

from app.pipelines.website.schema import Crawled, Skip
from app.testing import RecordedWork
from tests.integration.pipelines.conftest import OpenWork
from tests.integration.pipelines.crawls import SETTINGS, Routes, again, crawled, failed, known_pages
from tests.sites import web
from tests.sites.web import Answer, Web


@pytest.fixture
def work(open_work: OpenWork) -> RecordedWork:
    return open_work(**SETTINGS)


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
