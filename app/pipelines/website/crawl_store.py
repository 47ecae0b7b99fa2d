"""The state of a crawl: which pages are known, which are pending, what was found.

It is a file in the work's folder, holds no page's body, and survives the worker: the next attempt
opens it again and goes on there.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from app.errors import CeleriacError
from app.fetch import failures
from app.pipelines.website.frontier import MAX_TRIES, Frontier, PendingPage, transaction
from app.pipelines.website.outcomes import Failed, Kept, Likeness, Outcome, Postponed, Skipped
from app.pipelines.website.schema import PageFailure, Skip
from app.storage.chunks import NewChunk
from app.storage.crawled_pages import StoredPage

SCHEMA = Path(__file__).with_name("crawl_store.sql")

LISTED_FAILURES = 100

_KNOWN = tuple(StoredPage.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlTotals:
    """How far the crawl is."""

    requested: int
    kept: int
    unchanged: int
    failed: int
    waiting: int
    chunks: int
    characters: int
    tokens: int


class CrawlStore:
    """Used by one thread. Close it, or use it as a context manager."""

    def __init__(self, path: Path, *, page_limit: int, depth_limit: int) -> None:
        is_new = not path.exists()
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        if is_new or not self._one("SELECT count(*) FROM sqlite_master WHERE name = 'fact'"):
            self._database.executescript(f"BEGIN; {SCHEMA.read_text()} COMMIT;")
        self.frontier = Frontier(self._database, page_limit=page_limit, depth_limit=depth_limit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def fact(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def learn(self, pages: Iterable[StoredPage]) -> None:
        """What the crawl before has seen."""
        marks = ", ".join(f":{name}" for name in _KNOWN)
        with transaction(self._database):
            self._database.executemany(
                f"INSERT OR REPLACE INTO known ({', '.join(_KNOWN)}) VALUES ({marks})",
                (asdict(page) for page in pages),
            )

    def known(self, url: str) -> StoredPage | None:
        row = self._database.execute(
            f"SELECT {', '.join(_KNOWN)} FROM known WHERE url = ?", (url,)
        ).fetchone()
        return None if row is None else StoredPage(**dict(row))

    def record(self, page: PendingPage, outcome: Outcome) -> None:
        """Record what became of a page; a page, its chunks and its links are one transaction."""
        with transaction(self._database):
            match outcome:
                case Kept():
                    self._keep(page, outcome)
                    self._follow(page, outcome.links)
                case Skipped(reason=reason, links=links, shape=shape, moved_to=moved_to):
                    self._set(page.number, state="skipped", reason=reason.value, shape=shape)
                    if moved_to is not None:
                        self.frontier.note(moved_to, depth=page.depth)
                    self._follow(page, links)
                case Failed(error=error):
                    self._set(page.number, state="failed", **_columns(error))
                case Postponed(error=error):
                    # It counts as tried, too, when its site's robots.txt could not be fetched.
                    tries = page.tries + 1
                    state = "waiting" if tries < MAX_TRIES else "failed"
                    self._set(page.number, state=state, tries=tries, **_columns(error))

    def give_up(self) -> None:
        """Those that were tried, and wait still, have failed."""
        self._database.execute(
            "UPDATE page SET state = 'failed', reason = coalesce(reason, 'RetryableError'), "
            "message = coalesce(message, 'the worker died each time that it was read') "
            "WHERE state = 'waiting' AND (requested OR tries > 0)"
        )

    def is_taken(self, url: str, *, but: PendingPage) -> bool:
        """Whether another page has been read under this address."""
        return bool(
            self._one(
                "SELECT count(*) FROM page WHERE url = ? AND number <> ? AND state = 'kept'",
                (url, but.number),
            )
        )

    def likeness(
        self, page: PendingPage, *, url: str, canonical: str | None, text_sha256: str, shape: str
    ) -> Likeness:
        """Compare a page, which goes by `url`, with those that were kept. Pages that name it as
        canonical do not count: it will stand in their place."""
        has_twin = self._one(
            "SELECT count(*) FROM page WHERE text_sha256 = ? AND state = 'kept' "
            "AND coalesce(canonical, '') <> ?",
            (text_sha256, url),
        )
        named = self._database.execute(
            "SELECT text_sha256 FROM page WHERE url = ? AND state = 'kept'", (canonical,)
        ).fetchone()
        alike = self._one("SELECT count(*) FROM page WHERE shape = ?", (shape,))
        return Likeness(
            is_duplicate=bool(has_twin) or self.is_taken(url, but=page),
            canonical_text=None if named is None else str(named[0]),
            alike=int(alike),
        )

    def note_failure(self, url: str, error: CeleriacError) -> None:
        """Record the failure of a sitemap, which is not a page."""
        self._database.execute(
            "INSERT OR IGNORE INTO page (url, address, family, depth, state, reason, message) "
            "VALUES (?, ?, '', 0, 'failed', ?, ?)",
            (url, url, error.type, error.client_message),
        )

    def totals(self) -> CrawlTotals:
        row = self._database.execute(
            "SELECT coalesce(sum(requested), 0) requested, "
            "count(*) FILTER (WHERE state = 'kept') kept, "
            "count(*) FILTER (WHERE state = 'kept' AND is_unchanged) unchanged, "
            "count(*) FILTER (WHERE state = 'failed') failed, "
            "count(*) FILTER (WHERE state = 'waiting') waiting, "
            "coalesce(sum(chunks), 0) chunks, coalesce(sum(characters), 0) characters, "
            "coalesce(sum(tokens), 0) tokens FROM page"
        ).fetchone()
        return CrawlTotals(**dict(row))

    def skipped(self) -> dict[Skip, int]:
        rows = self._database.execute(
            "SELECT reason, count(*) FROM page WHERE state = 'skipped' GROUP BY reason"
        )
        return {Skip(reason): count for reason, count in rows}

    def failures(self) -> tuple[PageFailure, ...]:
        rows = self._database.execute(
            "SELECT address, reason, message FROM page WHERE state = 'failed' "
            "ORDER BY number LIMIT ?",
            (LISTED_FAILURES,),
        )
        return tuple(
            PageFailure(url=failures.shown(url), type=reason, message=message)
            for url, reason, message in rows
        )

    def chunks(self) -> Iterator[NewChunk]:
        """Those of all pages, in the order in which the pages were found."""
        for row in self._database.execute("SELECT body FROM chunk ORDER BY page, ordinal"):
            yield NewChunk(**json.loads(row[0]))

    def pages(self) -> Iterator[StoredPage]:
        """Those that were kept, in the same order."""
        first = 0
        for row in self._database.execute(
            "SELECT url, etag, modified, body_digest, text_sha256, shape, links, chunks FROM page "
            "WHERE state = 'kept' ORDER BY number"
        ):
            yield StoredPage(first_ordinal=first, **dict(row))
            first += int(row["chunks"])

    def _keep(self, page: PendingPage, kept: Kept) -> None:
        number = page.number
        if kept.url != page.url:
            self._set(page.number, state="skipped", reason=Skip.DUPLICATE.value)
            number = self._number_of(kept.url, page.depth)
        self._replace_variants(kept)
        self._set(
            number,
            state="kept",
            reason=None,
            etag=kept.etag,
            modified=kept.modified,
            body_digest=kept.body_digest,
            text_sha256=kept.text_sha256,
            shape=kept.shape,
            links=kept.packed_links,
            characters=kept.characters,
            is_unchanged=kept.is_unchanged,
            canonical=kept.canonical,
            chunks=len(kept.chunks),
            tokens=sum(chunk.tokens for chunk in kept.chunks),
        )
        self._database.executemany(
            "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?)",
            ((number, at, json.dumps(asdict(chunk))) for at, chunk in enumerate(kept.chunks)),
        )
        if kept.canonical is not None:
            self.frontier.note(kept.canonical, depth=page.depth)

    def _replace_variants(self, kept: Kept) -> None:
        """Let a canonical page stand in the place of those with the same text that named it."""
        variants = self._database.execute(
            "UPDATE page SET state = 'skipped', reason = ?, chunks = 0, characters = 0, tokens = 0 "
            "WHERE state = 'kept' AND canonical = ? AND text_sha256 = ? RETURNING number",
            (Skip.DUPLICATE.value, kept.url, kept.text_sha256),
        ).fetchall()
        self._database.executemany("DELETE FROM chunk WHERE page = ?", map(tuple, variants))

    def _follow(self, page: PendingPage, links: Sequence[str]) -> None:
        for address in links:
            self.frontier.note(address, depth=page.depth + 1)

    def _number_of(self, url: str, depth: int) -> int:
        self._database.execute(
            "INSERT OR IGNORE INTO page (url, address, family, depth, state) "
            "VALUES (?, ?, '', ?, 'waiting')",
            (url, url, depth),
        )
        return int(self._one("SELECT number FROM page WHERE url = ?", (url,)))

    def _set(self, number: int, **values: object) -> None:
        columns = ", ".join(f"{name} = :{name}" for name in values)
        self._database.execute(
            f"UPDATE page SET {columns} WHERE number = :number", {**values, "number": number}
        )

    def _one(self, query: str, values: Sequence[object] = ()) -> Any:  # of the column's type
        return self._database.execute(query, values).fetchone()[0]


def _columns(error: CeleriacError) -> dict[str, str]:
    return {"reason": error.type, "message": error.client_message}


def packed(links: Iterable[str]) -> bytes:
    """Addresses, compressed."""
    return zlib.compress("\n".join(links).encode())


def unpacked(links: bytes) -> list[str]:
    return zlib.decompress(links).decode().split("\n") if links else []
