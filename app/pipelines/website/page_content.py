"""One page while it is read: its chunks, and what should become of it."""

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app import errors
from app.documents.items import Block, Fact, Item, Refusal
from app.errors import CeleriacError, InvalidInput
from app.fetch import failures
from app.pipelines.chunking import Chunker
from app.pipelines.website import crawl_store as notes
from app.pipelines.website import page_urls
from app.pipelines.website.crawl_store import Found, Notebook, Waiting
from app.pipelines.website.schema import Skip
from app.pipelines.website.visit import Fetched
from app.storage.chunks import NewChunk

MANY_ALIKE = 50
"""Pages whose text differs in numbers only: so many are kept and followed."""

_NUMBER = re.compile(r"\d+")
_SPACE = re.compile(r"\W+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What should become of a page: it failed, it is passed over, or else it is kept."""

    leads: list[str]
    """The pages to look at next."""
    shape: str | None = None
    skip: Skip | None = None
    error: CeleriacError | None = None


class Writer:
    """Takes what the reader tells of a page."""

    def __init__(self, page: Waiting, fetched: Fetched, chunker: Chunker, *, site: str) -> None:
        self.page = page
        self._fetched = fetched
        self._chunker = chunker
        self._site = site
        self._facts: dict[str, Any] = {}  # JSON
        self._links: dict[str, None] = {}
        self._chunks: list[NewChunk] = []
        self._text, self._shape = hashlib.sha256(), hashlib.sha256()
        self._characters = 0
        self._refusal: Refusal | None = None

    def take(self, item: Item) -> None:
        match item:
            case Block(text=text):
                self._characters += len(text)
                words = _SPACE.sub(" ", text.casefold())
                self._text.update(words.encode())
                self._shape.update(_NUMBER.sub("0", words).encode())
                self._chunks += self._chunker.add(item)
            case Fact(name="links", value=links):
                self._links |= dict.fromkeys(self._leads(links))
            case Fact(name=name, value=value):
                self._facts[name] = value
            case Refusal():
                self._refusal = item

    @property
    def address(self) -> str:
        """What the page is called: what it says itself, if that can be believed."""
        own = self._fetched.url
        said = page_urls.normalized(self._facts.get("canonical") or own)
        if said is None or page_urls.site_of(said) != self._site:
            return own
        # A page that says it were the first one of its site is a common mistake.
        return own if said == page_urls.root_of(said) else said

    def verdict(self, notebook: Notebook) -> Verdict:
        self._chunks += self._chunker.finish()
        leads = list(self._links)
        if self._refusal is not None:
            kind = getattr(errors, self._refusal.error, InvalidInput)
            message = f"{failures.shown(self._fetched.url)}: {self._refusal.message}"
            return Verdict(leads=[], error=kind(message))
        if self._facts.get("is_hidden"):
            return Verdict(leads=leads, skip=Skip.HIDDEN)
        if not self._characters:
            return Verdict(leads=leads, skip=Skip.NO_TEXT)
        return self._compared(notebook, leads)

    def _compared(self, notebook: Notebook, leads: list[str]) -> Verdict:
        shape = self._shape.hexdigest()
        is_endless = notebook.count_alike(shape) >= MANY_ALIKE
        further = [] if is_endless else leads
        is_known = notebook.is_taken(self.address, but=self.page)
        if is_known or notebook.is_said(self._text.hexdigest()):
            return Verdict(leads=further, shape=shape, skip=Skip.DUPLICATE)
        skip = Skip.ALIKE if is_endless else None
        return Verdict(leads=further, shape=shape, skip=skip)

    def found(self) -> Found:
        return Found(
            body_digest=self._fetched.digest,
            text_sha256=self._text.hexdigest(),
            shape=self._shape.hexdigest(),
            etag=self._fetched.etag,
            modified=self._fetched.modified,
            links=notes.packed(self._links),
            characters=self._characters,
            is_unchanged=False,
        )

    def chunks(self) -> list[NewChunk]:
        """With the place of the page in each."""
        place = {"url": self.address, **self._named("title"), **self._named("language")}
        return [
            dataclasses.replace(chunk, metadata={**chunk.metadata, **place})
            for chunk in self._chunks
        ]

    def _named(self, name: str) -> dict[str, str]:
        value = self._facts.get(name)
        return {name: value} if value else {}

    def _leads(self, links: list[str]) -> Iterator[str]:
        """Those that may be pages of the site."""
        for url in map(page_urls.normalized, links):
            if url is None or page_urls.is_file(url):
                continue
            if page_urls.site_of(url) == self._site:
                yield url
