"""What becomes of a page that was requested."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import CeleriacError
from app.pipelines.website.schema import Skip
from app.storage.chunks import NewChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A page that the bot will know."""

    url: str
    """The address that it goes by, in the form to compare it by (`page_urls.normalized`)."""
    body_digest: str
    text_sha256: str
    shape: str
    etag: str | None
    modified: str | None
    packed_links: bytes
    """Where it leads, for the next crawl."""
    characters: int
    is_unchanged: bool
    links: Sequence[str]
    """The pages to follow now."""
    chunks: Sequence[NewChunk]
    canonical: str | None = None
    """The address that the page says it should have, which has yet to be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A page that is not wanted."""

    reason: Skip
    links: Sequence[str] = ()
    shape: str | None = None
    moved_to: str | None = None
    """The page that stands in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A page that cannot be read."""

    error: CeleriacError


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """A page that is tried again behind all others, unless it was tried too often."""

    error: CeleriacError


Outcome = Kept | Skipped | Failed | Postponed
"""What becomes of a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How a page compares with those before it."""

    is_duplicate: bool
    """Whether another page has its address or its text."""
    canonical_text: str | None
    """Digest of the text of the page that it names as canonical, where that was kept."""
    alike: int
    """Pages whose text differs only in its numbers."""
