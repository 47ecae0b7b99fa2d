"""The text of one page, and what becomes of the page."""

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.documents import child
from app.documents.items import Block, Fact, Item, Refusal
from app.errors import CeleriacError
from app.fetch import failures
from app.pipelines.chunking import Chunker
from app.pipelines.website import crawl_store, page_urls
from app.pipelines.website.outcomes import Failed, Kept, Likeness, Outcome, Skipped
from app.pipelines.website.schema import Skip
from app.pipelines.website.visit import Fetched
from app.storage.chunks import NewChunk

MANY_ALIKE = 50
"""Pages whose text differs only in its numbers: this many are kept and followed."""

_NUMBER = re.compile(r"\d+")
_SPACE = re.compile(r"\W+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """What the reader found on a page."""

    fetched: Fetched
    url: str
    """The address that the page goes by."""
    text_sha256: str
    shape: str
    """Digest of the text without its numbers."""
    characters: int
    links: tuple[str, ...] = ()
    """Pages of the site."""
    chunks: tuple[NewChunk, ...] = ()
    is_hidden: bool = False
    error: CeleriacError | None = None


def evaluate(content: PageContent, likeness: Likeness) -> Outcome:
    """What becomes of a page that was read. `likeness` compares it with those kept before."""
    if content.error is not None:
        return Failed(error=content.error)
    if content.is_hidden:
        return Skipped(reason=Skip.HIDDEN, links=content.links)
    if not content.characters:
        return Skipped(reason=Skip.NO_TEXT, links=content.links)
    is_endless = likeness.alike >= MANY_ALIKE
    links = () if is_endless else content.links
    if likeness.is_duplicate or is_endless:
        reason = Skip.DUPLICATE if likeness.is_duplicate else Skip.ALIKE
        return Skipped(reason=reason, links=links, shape=content.shape)
    return Kept(
        url=content.url,
        body_digest=content.fetched.digest,
        text_sha256=content.text_sha256,
        shape=content.shape,
        etag=content.fetched.etag,
        modified=content.fetched.modified,
        packed_links=crawl_store.packed(content.links),
        characters=content.characters,
        is_unchanged=False,
        links=links,
        chunks=content.chunks,
    )


class PageCollector:
    """Receives the items of one page."""

    def __init__(self, fetched: Fetched, chunker: Chunker, *, site: str) -> None:
        self._fetched = fetched
        self._chunker = chunker
        self._site = site
        self._facts: dict[str, Any] = {}  # JSON
        self._links: dict[str, None] = {}
        self._chunks: list[NewChunk] = []
        self._text, self._shape = hashlib.sha256(), hashlib.sha256()
        self._characters = 0
        self._error: CeleriacError | None = None

    def take(self, item: Item) -> None:
        match item:
            case Block(text=text):
                self._characters += len(text)
                words = _SPACE.sub(" ", text.casefold())
                self._text.update(words.encode())
                self._shape.update(_NUMBER.sub("0", words).encode())
                self._chunks += self._chunker.add(item)
            case Fact(name="links", value=links):
                self._links |= dict.fromkeys(self._pages_of_site(links))
            case Fact(name=name, value=value):
                self._facts[name] = value
            case Refusal() as refusal:
                self._error = child.refused(
                    refusal, subject=f"{failures.shown(self._fetched.url)}: "
                )

    def finish(self, error: CeleriacError | None = None) -> PageContent:
        """The page as far as it was read; `error` is what broke the reader."""
        url = self._address()
        self._chunks += self._chunker.finish()
        place = {"url": url, **self._named("title"), **self._named("language")}
        return PageContent(
            fetched=self._fetched,
            url=url,
            text_sha256=self._text.hexdigest(),
            shape=self._shape.hexdigest(),
            characters=self._characters,
            links=tuple(self._links),
            chunks=tuple(
                dataclasses.replace(chunk, metadata={**chunk.metadata, **place})
                for chunk in self._chunks
            ),
            is_hidden=bool(self._facts.get("is_hidden")),
            error=error if error is not None else self._error,
        )

    def _address(self) -> str:
        """The canonical address that the page names, where it can be believed."""
        own = self._fetched.url
        said = page_urls.normalized(self._facts.get("canonical") or own)
        if said is None or page_urls.site_of(said) != self._site:
            return own
        # Naming the first page of the site is a common mistake.
        return own if said == page_urls.root_of(said) else said

    def _named(self, name: str) -> dict[str, str]:
        value = self._facts.get(name)
        return {name: value} if value else {}

    def _pages_of_site(self, links: list[str]) -> Iterator[str]:
        for url in map(page_urls.normalized, links):
            if url is None or page_urls.is_file(url):
                continue
            if page_urls.site_of(url) == self._site:
                yield url
