"""Pages as text: charset, structure, links, wishes."""

from typing import Any

import pytest

from app.documents.items import Block, Fact
from app.documents.web import page_reader

PARAGRAPH = "The lighthouse keeper counts the ships that pass in the evening and writes them down."

PAGE = f"""<html lang="de-CH"><head><title> A
 title </title><link rel="canonical" href="/canonical"><base href="/base/"></head><body>
<nav><a href="menu">Menu</a></nav><header>Top</header><main><h1>Harbour</h1><p>{PARAGRAPH}</p>
<h2>Ships</h2><p>{PARAGRAPH} <a href="one#part">One</a> <a href="one">again</a></p>
<ul><li>a brig</li><li>a sloop</li></ul>
<table><tr><th>Name</th><th>Mast</th></tr><tr><td>Brig</td><td>2</td></tr></table>
<h2>Birds</h2><p>{PARAGRAPH}</p><a href="two" rel="nofollow">Two</a> <a href="mailto:x@y">mail</a>
<a href="http://[">broken</a><a>nowhere</a></main><footer>Imprint</footer></body></html>"""


def read(html: str) -> tuple[dict[str, Any], list[Block]]:
    """Facts and blocks."""
    found = list(page_reader.read(html.encode(), url="http://a/dir/page", media_type="text/html"))
    facts = {item.name: item.value for item in found if isinstance(item, Fact)}
    return facts, [item for item in found if isinstance(item, Block)]


def test_the_main_text_keeps_its_structure() -> None:
    _, blocks = read(PAGE)
    assert [(block.text, block.headings) for block in blocks] == [
        ("Harbour", ("Harbour",)),
        (PARAGRAPH, ("Harbour",)),
        ("Ships", ("Harbour", "Ships")),
        (f"{PARAGRAPH} One again", ("Harbour", "Ships")),
        ("- a brig", ("Harbour", "Ships")),
        ("- a sloop", ("Harbour", "Ships")),
        ("Name | Mast", ("Harbour", "Ships")),
        ("Name: Brig; Mast: 2", ("Harbour", "Ships")),
        ("Birds", ("Harbour", "Birds")),
        (PARAGRAPH, ("Harbour", "Birds")),
        ("Two mail brokennowhere", ("Harbour", "Birds")),
    ]


def test_the_facts_of_a_page_are_told() -> None:
    facts, _ = read(PAGE)
    assert facts == {
        "title": "A title",
        "canonical": "http://a/canonical",
        "language": "de-CH",
        "is_hidden": False,
        "links": ["http://a/base/menu", "http://a/base/one"],
    }


def test_a_short_page_has_all_its_text_but_the_furniture() -> None:
    _, blocks = read(
        "<nav>Menu</nav><h1>Hi</h1><p>Short.<script>x()</script></p><footer>F</footer>"
    )
    assert [block.text for block in blocks] == ["Hi\nShort."]


@pytest.mark.parametrize("said", ["noindex, nofollow", "NONE"])
def test_a_page_that_wants_to_be_left_alone_is(said: str) -> None:
    facts, blocks = read(f'<meta name="Robots" content="{said}"><p>Text <a href="/x">x</a></p>')
    assert (facts, blocks) == ({"is_hidden": True}, [])


def test_a_million_links_are_not_looked_at() -> None:
    html = "".join(f"<a href=/{number}>" for number in range(page_reader.MAX_LINKS + 500))
    found = page_reader.read(html.encode(), url="http://a/", media_type="text/html")
    batches = [item.value for item in found if isinstance(item, Fact) and item.name == "links"]
    assert sum(map(len, batches)) == page_reader.MAX_LINKS
    assert max(map(len, batches)) <= page_reader.LINKS_A_LINE


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        pytest.param("é".encode(), "text/html", id="nothing said"),
        pytest.param("é".encode("cp1252"), "text/html; charset=ISO-8859-1", id="the header"),
        pytest.param("é".encode("cp1252"), "text/html; charset=utf-8", id="a header that lies"),
        pytest.param(
            "<meta charset='latin1'>é".encode("cp1252"), "text/html", id="the page's own word"
        ),
        pytest.param("é".encode("utf-8-sig"), "text/html; charset=latin1", id="a mark"),
        pytest.param("é".encode("utf-16"), "text/html", id="UTF-16"),
        pytest.param("é".encode(), "text/html; charset=hex", id="what is no encoding of text"),
        pytest.param("é".encode(), "text/html; charset=klingon", id="what nobody knows"),
    ],
)
def test_any_charset_is_read(content: bytes, media_type: str) -> None:
    assert page_reader.decoded(content, media_type).endswith("é")
