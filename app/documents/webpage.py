"""HTML: the main text of a page under its headings, its title, and where its links lead."""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import trafilatura
from selectolax.lexbor import LexborHTMLParser

from app.documents import encoding, items
from app.documents.items import Block, Fact, Item
from app.documents.table import Rows

MAX_LINKS = 5_000
"""Of one page. Real ones stay under 1,000; a page of a million links is there to fill memories."""

LINKS_A_LINE = 200
MAX_ADDRESS_LENGTH = 2_000
MAX_TITLE_LENGTH = 300

SHORT_LENGTH = 250
"""Of a page with less text trafilatura takes all that there is, its menu too."""

_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_META_WITHIN_BYTES = 2048

_FURNITURE = "script, style, noscript, template, nav, header, footer, aside, form, svg"
_LEVELS = {f"h{level}": level for level in range(1, 7)}

Element = Any  # lxml ships no types


def read(content: bytes, *, url: str, media_type: str) -> Iterator[Item]:
    """The page's facts (`title`, `canonical`, `language`, `links`, the latter several times), then
    the blocks of its main text. A page that asks not to be indexed has no blocks, one that asks not
    to be followed no links."""
    html = decoded(content, media_type)
    tree = LexborHTMLParser(html)
    wishes = _wishes(tree)
    told = {
        "title": _title(tree),
        "canonical": _canonical(tree, url),
        "language": _language(tree),
    }
    yield from (Fact(name=name, value=value) for name, value in told.items() if value)
    yield Fact(name="is_hidden", value="noindex" in wishes)
    if "nofollow" not in wishes:
        links = list(_links(tree, url))
        for start in range(0, len(links), LINKS_A_LINE):
            yield Fact(name="links", value=links[start : start + LINKS_A_LINE])
    if "noindex" not in wishes:
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
    marked = encoding.marked(content)
    if marked is not None:
        yield marked
    head = content[:_META_WITHIN_BYTES].decode("ascii", "replace")
    for said in (media_type, head):
        found = _CHARSET.search(said)
        name = None if found is None else _python_name(found[1])
        if name is not None:
            yield name
    yield "utf-8"


def _python_name(label: str) -> str | None:
    """What the web calls latin-1 or ASCII is cp1252 (WHATWG Encoding). Only encodings of text."""
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    if name in ("iso8859-1", "ascii"):
        return "cp1252"
    try:
        return name if isinstance(b"".decode(name), str) else None
    except (LookupError, ValueError):  # `hex` and the like decode to no text
        return None


def _wishes(tree: LexborHTMLParser) -> set[str]:
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


def _language(tree: LexborHTMLParser) -> str | None:
    node = tree.css_first("html")
    said = None if node is None else node.attributes.get("lang")
    return said[:35] if said else None


def _links(tree: LexborHTMLParser, url: str) -> Iterator[str]:
    """Where the page leads, each address once."""
    base_node = tree.css_first("base[href]")
    base = None if base_node is None else _joined(url, base_node.attributes.get("href"))
    found = (
        _joined(base or url, node.attributes.get("href"))
        for node in tree.css("a[href], area[href]")
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
    blocks = () if body is None else tuple(_Body().blocks(body))
    if sum(len(block.text) for block in blocks) < SHORT_LENGTH:
        blocks = tuple(_whole_text(tree)) or blocks
    yield from blocks


def _whole_text(tree: LexborHTMLParser) -> Iterator[Block]:
    """Of a page in which no main text can be told from the rest: all but its furniture."""
    for node in tree.css(_FURNITURE):
        node.decompose()
    if tree.body is None:
        return
    lines = tree.body.text(separator="\n").split("\n")
    kept = (" ".join(line.split()) for line in lines)
    yield from items.cut("\n".join(line for line in kept if line))


@dataclass(slots=True)
class _Body:
    """Reads the elements of a main text in order, and knows under which headings it is."""

    levels: tuple[tuple[int, str], ...] = ()

    def blocks(self, body: Element) -> Iterator[Block]:
        for element in body:
            match element.tag:
                case "head":
                    yield from self._heading(element)
                case "list":
                    yield from self._list(element)
                case "table":
                    yield from self._table(element)
                case str():
                    yield from items.cut(_text(element), **self._place)

    @property
    def _place(self) -> Mapping[str, Any]:  # Block's own
        return {"headings": tuple(title for _, title in self.levels)}

    def _heading(self, element: Element) -> Iterator[Block]:
        text = _text(element)
        level = _LEVELS.get(element.get("rend") or "", 6)
        if text:
            above = tuple(entry for entry in self.levels if entry[0] < level)
            self.levels = (*above, (level, text[:MAX_TITLE_LENGTH]))
        yield from items.cut(text, **self._place)

    def _list(self, element: Element) -> Iterator[Block]:
        joint = items.PARAGRAPH
        for item in element:
            text = _text(item)
            if text:
                yield from items.cut(f"- {text}", joint=joint, **self._place)
                joint = items.LINE

    def _table(self, element: Element) -> Iterator[Block]:
        rows = Rows()
        for number, row in enumerate(element.iter("row"), start=1):
            cells = list(row.iter("cell"))
            marks = [cell.get("role") == "head" for cell in cells]
            is_header = all(marks) if any(marks) else None
            blocks = rows.read([_text(cell) for cell in cells], number=number, is_header=is_header)
            yield from self._placed(blocks)
        yield from self._placed(rows.finish())

    def _placed(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            yield Block(text=block.text, joint=block.joint, **self._place)


def _text(element: Element) -> str:
    if element.tag == "code":
        return "".join(element.itertext())
    return " ".join("".join(element.itertext()).split())
