"""What a site asks of robots, good and hostile."""

import time
from pathlib import Path

import pytest

from app.pipelines.website.robots_and_sitemaps import Robots

RULES = """
User-agent: *
Disallow: /

User-agent: Celeriac
Allow: /open
Disallow: /*.cgi$
Disallow: /closed
Crawl-delay: 2.5
Request-rate: 1/4

Sitemap: http://a/one.xml
Sitemap: http://a/two.xml
"""


@pytest.mark.parametrize(
    ("path", "want"),
    [("/", True), ("/closed/x", False), ("/x.cgi", False), ("/x.cgi?y", True), ("/open", True)],
)
def test_the_rules_for_us_count(path: str, want: bool) -> None:  # noqa: FBT001  a parameter of the table
    assert Robots(RULES).allows(f"http://a{path}") is want


def test_a_byte_order_mark_hides_no_group() -> None:
    text = (Path(__file__).parents[3] / "cases/robots_bom.txt").read_text()
    assert not Robots(text).allows("http://a/private/page")


def test_pauses_and_sitemaps_are_read() -> None:
    found = Robots(RULES)
    assert (found.delay_s, found.sitemaps) == (4.0, ("http://a/one.xml", "http://a/two.xml"))


@pytest.mark.parametrize("text", ["", "\0\0", "<html>not found</html>", "Disallow: /", "a:b:c"])
def test_without_rules_for_robots_all_is_allowed(text: str) -> None:
    found = Robots(text)
    assert (found.allows("http://a/b"), found.delay_s, found.sitemaps) == (True, 0.0, ())


def test_a_rule_that_would_take_years_to_match_is_cut_short() -> None:
    stars = "*a" * 30
    found = Robots(f"User-agent: *\nDisallow: /{stars}b\nAllow: /{stars}c\n")
    began = time.process_time()
    assert not found.allows("http://a/" + "a" * 900)
    assert found.allows("http://a/b")
    assert time.process_time() - began < 10
