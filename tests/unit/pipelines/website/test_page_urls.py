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


def test_files_are_no_pages() -> None:
    urls = ["http://a/x.PDF", "http://a/x.pdf?download=1", "http://a/x.html", "http://a/pdf"]
    assert [page_urls.is_file(url) for url in urls] == [True, True, False, False]
