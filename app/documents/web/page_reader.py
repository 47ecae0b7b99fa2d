"""The program that reads web pages: `python -m app.documents.web.page_reader REQUESTS CPU_S`.

REQUESTS is a named pipe. Each line of it is a JSON object: the `path` of a page's bytes, its `url`
and the `media_type` that came with it; an empty one ends the program. For each page it prints
items, a JSON object a line (`items.to_json`): facts, blocks or a refusal, and a position, the
number of pages so far, as the last one. The first line says that it is ready: position 0.

A page may take CPU_S of processor time; the system ends the program then.
"""

import codecs
import json
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import trafilatura
from selectolax.lexbor import LexborHTMLParser

from app.documents import encoding, items
from app.documents.items import Block, Fact, Item, Position, Refusal
from app.documents.web.main_text import MAX_TITLE_LENGTH, MainText

MAX_LINKS = 5_000
"""Of one page. Real ones stay under 1,000; a page of a million links is there to fill memories."""

LINKS_A_LINE = 200
MAX_ADDRESS_LENGTH = 2_000

SHORT_LENGTH = 250
"""Of a page with less text trafilatura takes all that there is, its menu too."""

_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_META_WITHIN_BYTES = 2048

_FURNITURE = "script, style, noscript, template, nav, header, footer, aside, form, svg"

_WEB_NAMES = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""What browsers take a label for (WHATWG Encoding): mostly a larger encoding of the same family."""

Element = Any  # lxml ships no types


def main() -> None:
    requests, cpu_s = sys.argv[1:]
    with open(requests, encoding="utf-8") as lines:
        _say(Position(done=0))
        for number, line in enumerate(lines, start=1):
            request = json.loads(line)
            if not request:
                return
            _allow_more(int(cpu_s))
            for item in _read_file(**request):
                _say(item)
            _say(Position(done=number))


def _read_file(*, path: str, url: str, media_type: str) -> Iterator[Item]:
    """The items of one page."""
    try:
        yield from read(Path(path).read_bytes(), url=url, media_type=media_type)
    except (ValueError, RecursionError) as error:  # of lxml: nesting, characters
        yield Refusal(error="InvalidInput", message=f"the page is damaged: {error}"[:300])


def _say(item: Item) -> None:
    sys.stdout.write(json.dumps(items.to_json(item)) + "\n")
    if isinstance(item, Position):
        sys.stdout.flush()


def _allow_more(cpu_s: int) -> None:
    """From now on, so much: the limit counts since the program began."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(time.process_time()) + 1 + cpu_s
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def read(content: bytes, *, url: str, media_type: str) -> Iterator[Item]:
    """The page's facts (`title`, `canonical`, `language`, `refresh`, `links`, the latter several
    times), then the blocks of its main text.

    A page that asks not to be indexed has no blocks, one that asks not to be followed no links.
    """
    html = decoded(content, media_type)
    tree = LexborHTMLParser(html)
    directives = _directives(tree)
    facts = {
        "title": _title(tree),
        "canonical": _canonical(tree, url),
        "language": _language(tree),
        "refresh": _refresh(tree),
    }
    if facts["refresh"]:
        facts["base"] = _base(tree, url)
    yield from (Fact(name=name, value=value) for name, value in facts.items() if value)
    yield Fact(name="is_hidden", value="noindex" in directives)
    if "nofollow" not in directives:
        links = list(_links(tree, url))
        for start in range(0, len(links), LINKS_A_LINE):
            yield Fact(name="links", value=links[start : start + LINKS_A_LINE])
    if "noindex" not in directives:
        yield from _main_text(html, tree)


def decoded(content: bytes, media_type: str) -> str:
    """The page as text: by its byte order mark, the header, what the page says of itself, and,
    where these are wrong or silent, by what the bytes look like.

    >>> decoded("Größe".encode("cp1252"), "text/html; charset=utf-8")
    'Größe'
    """
    for name in _said_encodings(content, media_type):
        try:
            return content.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return encoding.decoded(content).text


def _said_encodings(content: bytes, media_type: str) -> Iterator[str]:
    """By the rules of browsers: the mark, the header, the page itself. Bytes that could say it in
    ASCII are not UTF-16."""
    marked = encoding.marked(content)
    if marked is not None:
        yield marked
    head = content[:_META_WITHIN_BYTES].decode("ascii", "replace")
    for said, is_page in ((media_type, False), (head, True)):
        found = _CHARSET.search(said)
        name = None if found is None else _python_name(found[1])
        if name is not None:
            yield "utf-8" if is_page and name.startswith(("utf-16", "utf-32")) else name
    yield "utf-8"


def _python_name(label: str) -> str | None:
    """The encoding that browsers take the label for. Only encodings of text."""
    try:
        name = codecs.lookup(label).name
        return _WEB_NAMES.get(name, name) if isinstance(b"".decode(name), str) else None
    except (LookupError, ValueError):  # `hex` and the like decode to no text
        return None


def _directives(tree: LexborHTMLParser) -> set[str]:
    """What the page asks of robots: `noindex`, `nofollow`."""
    asked: set[str] = set()
    for node in tree.css("meta[name][content]"):
        if (node.attributes.get("name") or "").lower() in ("robots", "celeriac"):
            asked.update(re.split(r"[\s,]+", (node.attributes.get("content") or "").lower()))
    return asked | ({"noindex", "nofollow"} if "none" in asked else set())


def _title(tree: LexborHTMLParser) -> str | None:
    for selector in ("title", "h1"):
        node = tree.css_first(selector)
        text = "" if node is None else " ".join(items.clean(node.text()).split())
        if text:
            return text[:MAX_TITLE_LENGTH]
    return None


def _canonical(tree: LexborHTMLParser, url: str) -> str | None:
    for node in tree.css("link[rel][href]"):
        if "canonical" in (node.attributes.get("rel") or "").lower().split():
            return _joined(url, node.attributes.get("href"))
    return None


def _refresh(tree: LexborHTMLParser) -> str | None:
    """Where, and after how many seconds, the page sends its readers."""
    for node in tree.css("meta[http-equiv][content]"):
        if (node.attributes.get("http-equiv") or "").strip().lower() == "refresh":
            return (node.attributes.get("content") or "")[:MAX_ADDRESS_LENGTH]
    return None


def _base(tree: LexborHTMLParser, url: str) -> str | None:
    node = tree.css_first("base[href]")
    return None if node is None else _joined(url, node.attributes.get("href"))


def _language(tree: LexborHTMLParser) -> str | None:
    node = tree.css_first("html")
    said = None if node is None else node.attributes.get("lang")
    return said[:35] if said else None


def _links(tree: LexborHTMLParser, url: str) -> Iterator[str]:
    """Where the page leads, each address once."""
    base = _base(tree, url) or url
    found = (
        _joined(base, node.attributes.get("href") or node.attributes.get("src"))
        for node in tree.css("a[href], area[href], frame[src], iframe[src]")
        if "nofollow" not in (node.attributes.get("rel") or "").lower().split()
    )
    seen: set[str] = set()
    for address in found:
        if address is not None and address not in seen:
            seen.add(address)
            yield address
            if len(seen) >= MAX_LINKS:
                return


def _joined(base: str, address: str | None) -> str | None:
    if not address or len(address) > MAX_ADDRESS_LENGTH:
        return None
    try:
        whole = urljoin(base, items.clean(address).strip()).partition("#")[0]
    except ValueError:
        return None
    return whole if whole.lower().startswith(("http://", "https://")) else None


def _main_text(html: str, tree: LexborHTMLParser) -> Iterator[Block]:
    found = trafilatura.bare_extraction(
        html, include_comments=False, include_tables=True, with_metadata=False
    )
    body: Element = getattr(found, "body", None)
    blocks = () if body is None else tuple(MainText().blocks(body))
    if sum(len(block.text) for block in blocks) < SHORT_LENGTH:
        blocks = tuple(_whole_text(tree)) or blocks
    yield from blocks


def _whole_text(tree: LexborHTMLParser) -> Iterator[Block]:
    """All text but the furniture, for a page whose main text is not found."""
    for node in tree.css(_FURNITURE):
        node.decompose()
    if tree.body is None:
        return
    lines = tree.body.text(separator="\n").split("\n")
    kept = (" ".join(line.split()) for line in lines)
    yield from items.cut("\n".join(line for line in kept if line))


if __name__ == "__main__":
    main()
