"""The text of one page, and what becomes of the page."""

import dataclasses
import hashlib
import re
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
    """Its address, in the form to compare it by."""
    canonical: str | None
    """The address that it says it should have, where that is another one of its site."""
    moved_to: str | None
    """Where it sends its readers at once."""
    text_sha256: str
    shape: str
    """Digest of the text without its numbers."""
    characters: int
    links: tuple[str, ...] = ()
    """Where it leads."""
    chunks: tuple[NewChunk, ...] = ()
    is_hidden: bool = False
    error: CeleriacError | None = None


def evaluate(content: PageContent, likeness: Likeness, *, site: str) -> Outcome:
    """What becomes of a page that was read. `likeness` compares it with those kept before."""
    if content.error is not None:
        return Failed(error=content.error)
    if content.moved_to is not None:
        is_own = page_urls.site_of(content.moved_to) == site
        return Skipped(
            reason=Skip.DUPLICATE if is_own else Skip.OFF_SITE,
            moved_to=content.moved_to if is_own else None,
        )
    links = tuple(link for link in content.links if page_urls.site_of(link) == site)
    if content.is_hidden:
        return Skipped(reason=Skip.HIDDEN, links=links)
    if not content.characters:
        return Skipped(reason=Skip.NO_TEXT, links=links)
    return _compared(content, likeness, links)


def _compared(content: PageContent, likeness: Likeness, links: tuple[str, ...]) -> Outcome:
    is_endless = likeness.alike >= MANY_ALIKE
    followed = () if is_endless else links
    is_variant = likeness.canonical_text == content.text_sha256
    if likeness.is_duplicate or is_variant or is_endless:
        is_known = likeness.is_duplicate or is_variant
        reason = Skip.DUPLICATE if is_known else Skip.ALIKE
        return Skipped(reason=reason, links=followed, shape=content.shape)
    return Kept(
        url=content.url,
        body_digest=content.fetched.digest,
        text_sha256=content.text_sha256,
        shape=content.shape,
        etag=content.fetched.etag,
        modified=content.fetched.modified,
        packed_links=crawl_store.packed((*links, *filter(None, (content.canonical,)))),
        characters=content.characters,
        is_unchanged=False,
        links=followed,
        chunks=content.chunks,
        # A canonical page with another text disproves the claim.
        canonical=content.canonical if likeness.canonical_text is None else None,
    )


class PageCollector:
    """Receives the items of one page."""

    def __init__(self, fetched: Fetched, chunker: Chunker) -> None:
        self._fetched = fetched
        self._chunker = chunker
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
                self._links |= dict.fromkeys(filter(None, map(page_urls.absolute, links)))
            case Fact(name=name, value=value):
                self._facts[name] = value
            case Refusal() as refusal:
                self._error = child.refused(
                    refusal, subject=f"{failures.shown(self._fetched.url)}: "
                )

    def finish(self, error: CeleriacError | None = None) -> PageContent:
        """The page as far as it was read; `error` is what broke the reader."""
        self._chunks += self._chunker.finish()
        address = self._fetched.url
        asked = self._fetched.directives
        place = {"url": address, **self._named("title"), **self._named("language")}
        return PageContent(
            fetched=self._fetched,
            url=page_urls.normalized(address) or address,
            canonical=self._canonical(),
            moved_to=self._moved_to(),
            text_sha256=self._text.hexdigest(),
            shape=self._shape.hexdigest(),
            characters=self._characters,
            links=() if asked & {"nofollow", "none"} else tuple(self._links),
            chunks=tuple(
                dataclasses.replace(chunk, metadata={**chunk.metadata, **place})
                for chunk in self._chunks
            ),
            is_hidden=bool(self._facts.get("is_hidden") or asked & {"noindex", "none"}),
            error=error if error is not None else self._error,
        )

    def _canonical(self) -> str | None:
        """Not the first page of the site, which is named by mistake often."""
        own = page_urls.normalized(self._fetched.url) or ""
        said = page_urls.normalized(self._facts.get("canonical") or own)
        if said in (None, own, page_urls.root_of(own)):
            return None
        return said if page_urls.site_of(said or "") == page_urls.site_of(own) else None

    def _moved_to(self) -> str | None:
        target = page_urls.refresh_target(
            self._facts.get("refresh") or "", base=self._facts.get("base") or self._fetched.url
        )
        is_same = target is None or page_urls.normalized(target) == page_urls.normalized(
            self._fetched.url
        )
        return None if is_same else target

    def _named(self, name: str) -> dict[str, str]:
        value = self._facts.get(name)
        return {name: value} if value else {}
