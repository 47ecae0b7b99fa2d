"""What a site says of itself: robots.txt (RFC 9309) and sitemaps (sitemaps.org)."""

import itertools
import re
import time
import zlib
from collections.abc import Callable, Iterator
from xml.parsers import expat

from protego import Protego

from app.errors import (
    CeleriacError,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PermanentError,
    WorkStopped,
)
from app.pipelines.website import page_urls
from app.pipelines.website.site_client import SiteClient

AGENT = "celeriac"

ROBOTS_BYTES = 512 * 1024
"""RFC 9309 asks for 500 KiB at least. What is behind is not read."""

MAX_STARS = 2
"""Of one rule. A match takes the length of the address to the power of its stars, and the worker
waits for it: what a rule has behind its second star counts as "anything"."""

MAX_STARRED = 500

NO_RULES = ""


class Robots:
    """The rules for us."""

    def __init__(self, text: str) -> None:
        self._rules = Protego.parse(tamed(text.removeprefix("\ufeff")))

    def allows(self, url: str) -> bool:
        return bool(self._rules.can_fetch(url, AGENT))

    @property
    def delay_s(self) -> float:
        """How long to wait between two requests at least."""
        asked = self._rules.crawl_delay(AGENT)
        rate = self._rules.request_rate(AGENT)
        paced = rate.seconds / rate.requests if rate is not None and rate.requests else 0.0
        return max(float(asked or 0.0), paced, 0.0)

    @property
    def sitemaps(self) -> tuple[str, ...]:
        return tuple(self._rules.sitemaps)


def read_robots(url: str, client: SiteClient) -> Robots:
    """The rules of the host that the page is of. Without a robots.txt there are none.

    Raises RetryableError when it cannot be had just now: then nothing may be fetched.
    """
    own = page_urls.root_of(url) + "robots.txt"
    try:
        with client.opened(own) as answer:
            return Robots(_head(answer.iter_bytes()).decode("utf-8-sig", "replace"))
    except (NotFound, PermanentError):
        return Robots(NO_RULES)


def _head(blocks: Iterator[bytes]) -> bytes:
    head = b""
    for block in blocks:
        head += block[: ROBOTS_BYTES - len(head)]
        if len(head) >= ROBOTS_BYTES:
            break
    return head


def tamed(text: str) -> str:
    """The rules with no more stars than can be matched in little time.

    >>> tamed("Disallow: /a*b*c*d")
    'Disallow: /a*b*'
    >>> tamed("Allow: /a*b*c*d")
    ''
    """
    starred = 0
    lines = []
    for line in text.replace("\0", "").splitlines():
        starred += "*" in line
        if "*" not in line:
            lines.append(line)
        elif starred <= MAX_STARRED:
            lines.append(_tamed(line))
    return "\n".join(lines)


def _tamed(line: str) -> str:
    name, _, pattern = line.partition(":")
    pieces = pattern.split("*")
    if len(pieces) <= MAX_STARS + 1:
        return line
    if name.strip().lower() == "allow":
        return ""
    return f"{name}:{'*'.join(pieces[:MAX_STARS])}*"


MAX_FILES = 50
SITEMAP_BYTES = 50 * 1024 * 1024
"""Of one sitemap, unpacked: what the protocol allows."""

MAX_ADDRESS_LENGTH = 2_000
_BLANK = b"\xef\xbb\xbf \t\r\n"
_STRAY = re.compile(rb"&(?!#?\w{1,10};)")
_LONGEST_ENTITY = 12
_GZIP = b"\x1f\x8b"
_BLOCK_BYTES = 256 * 1024

Failed = Callable[[str, CeleriacError], None]


def sitemap_pages(
    first: list[str],
    client: SiteClient,
    *,
    site: str,
    limit: int,
    on_failure: Failed,
    until_s: float,
) -> Iterator[str]:
    """The addresses that the sitemaps of a site name, at most `limit`; another site's are left out.

    One that cannot be read is reported and left out; the addresses before the error count. None is
    requested after `until_s` (monotonic).
    """
    waiting, seen = list(first), set(first)
    count = 0
    for _ in range(MAX_FILES):
        is_over = time.monotonic() + client.delay_s > until_s
        if not waiting or count >= limit or is_over:
            return
        url = waiting.pop(0)
        for kind, address in _told(url, client, on_failure):
            own = page_urls.absolute(address, base=url)
            if own is None or page_urls.site_of(own) != site:
                continue
            if kind == "sitemap" and own not in seen and len(seen) < MAX_FILES:
                seen.add(own)
                waiting.append(own)
            elif kind == "url" and count < limit:
                count += 1
                yield own


def _told(url: str, client: SiteClient, on_failure: Failed) -> Iterator[tuple[str, str]]:
    try:
        with client.opened(url) as answer:
            yield from read_sitemap(answer.iter_bytes(), url=url)
    except WorkStopped:
        raise
    except CeleriacError as error:
        on_failure(url, error)


def read_sitemap(blocks: Iterator[bytes], *, url: str) -> Iterator[tuple[str, str]]:
    """`url` or `sitemap`, and an address.

    Raises InvalidInput (no XML, a document type: attacks begin there), LimitExceeded.
    """
    plain = _without_blank_start(_limited(_unpacked(blocks), url))
    head = next(plain, b"")
    if not head.startswith(b"<"):
        yield from _lines(head, plain)
        return
    parser = _Parser()
    try:
        for block in _escaped(itertools.chain((head,), plain)):
            yield from parser.feed(block)
        parser.finish()
    except expat.ExpatError as error:
        raise InvalidInput(f"the sitemap {url} is damaged: {error}") from error


def _without_blank_start(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Without what may stand in front of an XML declaration in real sitemaps, although XML forbids
    it."""
    is_begun = False
    for block in blocks:
        rest = block if is_begun else block.lstrip(_BLANK)
        is_begun = is_begun or bool(rest)
        if rest:
            yield rest


def _escaped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """With each ampersand that begins no entity as one that does: addresses are often written as
    they are."""
    held = b""
    for block in blocks:
        whole = held + block
        last = whole.rfind(b"&", max(0, len(whole) - _LONGEST_ENTITY))
        cut = len(whole) if last < 0 or b";" in whole[last:] else last
        held = whole[cut:]
        yield _STRAY.sub(b"&amp;", whole[:cut])
    yield _STRAY.sub(b"&amp;", held)


def _unpacked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Files that are packed themselves; in pieces, so that a bomb never lies in memory."""
    packed = None
    for number, block in enumerate(blocks):
        if number == 0 and block.startswith(_GZIP):
            packed = zlib.decompressobj(wbits=31)
        if packed is None:
            yield block
            continue
        rest = block
        try:
            while rest:
                yield packed.decompress(rest, _BLOCK_BYTES)
                rest = packed.unconsumed_tail
        except zlib.error as error:
            raise InvalidInput(f"the sitemap is no gzip: {error}") from error
        if packed.eof:
            return  # what stands behind the end would only be piled up


def _limited(blocks: Iterator[bytes], url: str) -> Iterator[bytes]:
    seen_bytes = 0
    for block in blocks:
        seen_bytes += len(block)
        if seen_bytes > SITEMAP_BYTES:
            raise LimitExceeded(f"the sitemap {url} has more than {SITEMAP_BYTES} bytes")
        if block:
            yield block


def _lines(head: bytes, rest: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    begun = head
    for block in itertools.chain(rest, (b"\n",)):
        *lines, begun = (begun + block).split(b"\n")
        for line in lines:
            address = line.decode("utf-8", "replace").strip()
            if address.startswith(("http://", "https://")):
                yield "url", address[:MAX_ADDRESS_LENGTH]
        begun = begun[:MAX_ADDRESS_LENGTH]


class _Parser:
    """Finds `<loc>` in `<url>` and in `<sitemap>`, whatever their namespace."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []
        self._kind = ""
        self._text: list[str] | None = None
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._take
        self._parser.StartDoctypeDeclHandler = _refuse

    def feed(self, block: bytes) -> list[tuple[str, str]]:
        self._found = []
        self._parser.Parse(block)
        return self._found

    def finish(self) -> None:
        is_final = True
        self._parser.Parse(b"", is_final)

    def _begin(self, name: str, _attributes: object) -> None:
        local = name.rpartition(" ")[2]
        if local in ("url", "sitemap"):
            self._kind = local
        elif local == "loc" and self._kind:
            self._text = []

    def _end(self, name: str) -> None:
        local = name.rpartition(" ")[2]
        if local == "loc" and self._text is not None:
            # CDATA keeps what was escaped on the way here as it is.
            address = "".join(self._text).strip().replace("&amp;", "&")
            self._found.append((self._kind, address))
            self._text = None
        elif local in ("url", "sitemap"):
            self._kind = ""

    def _take(self, text: str) -> None:
        if self._text is not None and sum(map(len, self._text)) < MAX_ADDRESS_LENGTH:
            self._text.append(text)


def _refuse(*_: object) -> None:
    raise InvalidInput("the sitemap has a document type, which none needs: attacks begin there")
