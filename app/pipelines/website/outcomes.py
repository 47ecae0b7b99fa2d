"""What becomes of a page that was requested."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import CeleriacError
from app.pipelines.website.schema import Skip
from app.storage.chunks import NewChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A page that the bot will know, under the address `url`."""

    url: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A page that is not wanted."""

    reason: Skip
    links: Sequence[str] = ()
    shape: str | None = None


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
    alike: int
    """Pages whose text differs only in its numbers."""
