"""Sitemaps, good and hostile, in blocks of any size."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import CeleriacError, InvalidInput, LimitExceeded
from app.pipelines.website import robots_and_sitemaps as sitemap

CASES = Path(__file__).parents[3] / "cases"

SPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"

MAP = f"""<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="{SPACE}">
<url><loc> http://a/1?x=1&amp;y=2 </loc><lastmod>2026-01-01</lastmod></url>
<url><loc><![CDATA[http://a/ä]]></loc></url><loc>http://a/lost</loc></urlset>"""

INDEX = f'<sitemapindex xmlns="{SPACE}"><sitemap><loc>http://a/m.xml</loc></sitemap></sitemapindex>'


def read(content: bytes, *, size: int = 7) -> list[tuple[str, str]]:
    blocks = (content[start : start + size] for start in range(0, len(content), size))
    return list(sitemap.read_sitemap(blocks, url="http://a/map"))


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_the_addresses_of_a_sitemap_are_read(pack: type[bytes], size: int) -> None:
    want = [("url", "http://a/1?x=1&y=2"), ("url", "http://a/ä")]
    assert read(pack(MAP.encode()), size=max(size, 2)) == want
    assert read(pack(INDEX.encode()), size=max(size, 2)) == [("sitemap", "http://a/m.xml")]


def test_a_list_of_addresses_is_one_too() -> None:
    assert read(b"http://a/1\nnothing\r\nhttp://a/2") == [
        ("url", "http://a/1"),
        ("url", "http://a/2"),
    ]


def laughs() -> bytes:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE u [<!ENTITY l0 "ha">{entities}]><urlset><url><loc>&l11;</loc></url>'.encode()


def packed_spaces() -> Iterator[bytes]:
    packed = gzip.compress(b"<urlset>" + b" " * sitemap.SITEMAP_BYTES, compresslevel=1)
    return (packed[start : start + 4096] for start in range(0, len(packed), 4096))


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(laughs(), InvalidInput, id="entities that multiply"),
        pytest.param(b"<urlset><url>", InvalidInput, id="cut off"),
        pytest.param(b"<html><br></html>", InvalidInput, id="HTML"),
        pytest.param(b"\x1f\x8b" + b"rubbish", InvalidInput, id="no gzip"),
        pytest.param(b"<urlset>" + b" " * sitemap.SITEMAP_BYTES, LimitExceeded, id="too large"),
    ],
)
def test_a_bad_sitemap_is_refused(content: bytes, want: type[CeleriacError]) -> None:
    with pytest.raises(want):
        read(content, size=65536)


def test_a_packed_bomb_is_never_unpacked_whole() -> None:
    unpacked = sitemap._unpacked(packed_spaces())
    assert max(map(len, unpacked)) <= 256 * 1024
    with pytest.raises(LimitExceeded):
        list(sitemap.read_sitemap(packed_spaces(), url="http://a/map"))


def test_what_stands_behind_a_packed_sitemap_is_left_alone() -> None:
    packed = gzip.compress(MAP.encode())
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield packed
        while True:
            taken += 1
            yield bytes(65536)

    found = list(sitemap.read_sitemap(endless(), url="http://a/map"))

    assert found == [("url", "http://a/1?x=1&y=2"), ("url", "http://a/ä")]
    assert taken <= 1


@pytest.mark.parametrize("size", [2, 7, 65536])
def test_blanks_in_front_and_stray_ampersands_are_no_damage(size: int) -> None:
    handed = (CASES / "sitemap_blank_first_line.xml").read_bytes()
    assert read(handed, size=size) == [("url", "http://127.0.0.1/one")]
    plain, kept = b"/a?b=1&c=2&amp;d=&#51;", b"<![CDATA[/a?b=1&c=2]]>"
    for written, want in ((plain, "/a?b=1&c=2&d=3"), (kept, "/a?b=1&c=2")):
        content = b"<urlset><url><loc>" + written + b"</loc></url></urlset>"
        assert read(content, size=size) == [("url", want)]
