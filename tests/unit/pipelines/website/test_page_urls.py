"""One form for each page, and which addresses lead nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pipelines.website import page_urls


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("HTTP://WWW.Example.org:80", "http://www.example.org/"),
        ("https://example.org:443/a//b/./c/../", "https://example.org/a/b/"),
        ("http://example.org/../../etc/passwd", "http://example.org/etc/passwd"),
        ("http://me:secret@example.org/", "http://example.org/"),
        ("http://example.org/%7euser/%2f%C3%A4", "http://example.org/~user/%2F%C3%A4"),
        ("http://example.org/ä b", "http://example.org/%C3%A4%20b"),
        ("http://example.org/?b=2&a=&utm_medium=x&PHPSESSID=1", "http://example.org/?a=&b=2"),
        ("http://example.org/a;jsessionid=AB12?x=1", "http://example.org/a?x=1"),
        ("http://[::1]:8080/#top", "http://[::1]:8080/"),
        ("//other.example/x", "http://other.example/x"),
        ("?page=2", "http://example.org/base?page=2"),
    ],
)
def test_an_address_has_one_form(url: str, want: str) -> None:
    assert page_urls.normalized(url, base="http://example.org/base") == want


@pytest.mark.parametrize(
    "url",
    ["mailto:a@b", "javascript:x()", "ftp://a/", "http://:80", "http://a:x/", "http://[", "data:"],
)
def test_what_is_no_page_has_no_address(url: str) -> None:
    assert page_urls.normalized(url, base="http://example.org/") is None


def test_an_address_without_end_has_none() -> None:
    assert page_urls.normalized("http://example.org/" + "a" * 1000) is None


@given(path=st.text(max_size=60), query=st.text(max_size=30))
def test_the_one_form_stays_what_it_is(path: str, query: str) -> None:
    once = page_urls.normalized(f"/{path}?{query}", base="http://example.org/")
    assert once is None or page_urls.normalized(once) == once


def test_an_address_can_look_like_a_file() -> None:
    urls = ["http://a/x.PDF", "http://a/x.pdf?download=1", "http://a/x.html", "http://a/pdf"]
    assert [page_urls.suffix_of(url) for url in urls] == ["pdf", "pdf", None, None]


@pytest.mark.parametrize(
    ("linked", "want"),
    [
        ("/a//b/?z=1&a=2", "http://example.org/a//b/?z=1&a=2"),
        ("/x?utm_source=mail#part", "http://example.org/x?utm_source=mail"),
        ("http://Bücher.example/ä", "http://xn--bcher-kva.example/%C3%A4"),
        ("http://straße.example/", "http://xn--strae-oqa.example/"),
        ("http://me:secret@example.org:80/a", "http://example.org/a"),
        ("javascript:alert(1)", None),
        ("http://[::1", None),
        ("http://-\u00ad-.example/", None),
    ],
)
def test_an_address_is_requested_as_it_was_linked(linked: str, want: str | None) -> None:
    assert page_urls.absolute(linked, base="http://example.org/") == want


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("0;url=/b", "http://a/b"),
        ('0.5, URL = "b"', "http://a/b"),
        ("0", None),
        ("600; url=/b", None),
        ("nonsense", None),
        ("0; url=mailto:x@y", None),
    ],
)
def test_a_refresh_sends_its_readers_on(value: str, want: str | None) -> None:
    assert page_urls.refresh_target(value, base="http://a/") == want


def test_directives_for_other_robots_do_not_count() -> None:
    values = ["googlebot: noindex, nofollow", "noarchive", "celeriac: nofollow"]
    found = set(page_urls.robots_directives(values, agent="celeriac"))
    assert found == {"noarchive", "nofollow"}
