"""Which pages of a site wait to be requested, and which addresses are left out."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.pipelines.website import page_urls
from app.pipelines.website.schema import Skip

ADDRESSES_PER_PAGE = 20
"""Addresses that are noted for each page that may be requested."""

MAX_TRIES = 3

FILES_PROVE = 3
"""Answers that are not pages: after so many, the other addresses of their suffix are believed to be
files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPage:
    """A page to be requested."""

    number: int
    url: str
    """The form to compare it by."""
    address: str
    """As it was linked."""
    depth: int
    tries: int


class LeftOut(StrEnum):
    """Why an address was not noted."""

    DEPTH = "depth"
    """It is too many links away from the first page."""
    ENDLESS = "endless"
    """It looks like one of endlessly many."""
    MANY = "many"
    """There are more addresses than may be noted."""


class Frontier:
    """The pending pages of a crawl, a part of its store."""

    def __init__(self, database: sqlite3.Connection, *, page_limit: int, depth_limit: int) -> None:
        self._database = database
        self._page_limit = page_limit
        self._depth_limit = depth_limit
        self._noted = int(self._one("SELECT count(*) FROM page"))
        self._requested = int(self._one("SELECT count(*) FROM page WHERE requested"))
        self._left_out = int(self._one("SELECT count(*) FROM left_out"))

    def add(self, addresses: Iterable[str], *, depth: int) -> None:
        """Let pages wait that are new and lead somewhere."""
        with transaction(self._database):
            for address in addresses:
                self.note(address, depth=depth)

    def next(self) -> PendingPage | None:
        """The page to request now. Those near the first one come first, and those that look like
        files last. None when all is done, or as much as may be."""
        row = self._database.execute(
            "SELECT number, url, address, depth, tries FROM page "
            "WHERE state = 'waiting' AND tries < ? AND (requested OR ?) "
            "ORDER BY tries, suffix IS NOT NULL, depth, number LIMIT 1",
            (MAX_TRIES, self._requested < self._page_limit),
        ).fetchone()
        return None if row is None else PendingPage(**dict(row))

    @property
    def requested_ratio(self) -> float:
        """The share of the known work that is done."""
        return self._requested / max(1, min(self._noted, self._page_limit))

    @property
    def requested(self) -> int:
        return self._requested

    def request(self, page: PendingPage) -> None:
        """Note that it is asked for."""
        first = self._database.execute(
            "UPDATE page SET requested = 1 WHERE number = ? AND NOT requested", (page.number,)
        )
        self._requested += first.rowcount
        self._database.execute(
            "UPDATE page SET tries = ? WHERE number = ?", (page.tries + 1, page.number)
        )

    def is_file(self, page: PendingPage) -> bool:
        """Whether the site answers addresses of this suffix with other things than pages."""
        suffix = page_urls.suffix_of(page.url)
        found = self._database.execute(
            "SELECT count(*) FILTER (WHERE reason = ?), count(*) FILTER (WHERE state = 'kept') "
            "FROM page WHERE suffix = ?",
            (Skip.NOT_HTML.value, suffix),
        ).fetchone()
        return int(found[0]) >= FILES_PROVE and not found[1]

    def left_out(self) -> dict[LeftOut, int]:
        """How many addresses were not noted, by reason."""
        rows = self._database.execute("SELECT reason, count(*) FROM left_out GROUP BY reason")
        return {LeftOut(reason): count for reason, count in rows}

    def note(self, address: str, *, depth: int) -> None:
        """Let a page wait, unless it is known or leads nowhere. Part of a transaction."""
        url = page_urls.normalized(address)
        if url is None or self._one("SELECT count(*) FROM page WHERE url = ?", (url,)):
            return
        family, most = page_urls.family_of(url)
        reason = self._reason_to_leave_out(url, depth, family, most)
        if reason is not None:
            self._leave_out(url, reason)
            return
        self._database.execute("DELETE FROM left_out WHERE url = ?", (url,))
        self._database.execute(
            "INSERT INTO page (url, address, family, suffix, depth, state) "
            "VALUES (?, ?, ?, ?, ?, 'waiting')",
            (url, address, family, page_urls.suffix_of(url), depth),
        )
        self._noted += 1

    def _leave_out(self, url: str, reason: LeftOut) -> None:
        if self._left_out < self._page_limit * ADDRESSES_PER_PAGE:
            self._left_out += self._database.execute(
                "INSERT OR IGNORE INTO left_out VALUES (?, ?)", (url, reason)
            ).rowcount

    def _reason_to_leave_out(
        self, url: str, depth: int, family: str, most: int | None
    ) -> LeftOut | None:
        if depth > self._depth_limit:
            return LeftOut.DEPTH
        if page_urls.leads_nowhere(url):
            return LeftOut.ENDLESS
        count = self._one("SELECT count(*) FROM page WHERE family = ?", (family,)) if most else 0
        if most is not None and most <= count:
            return LeftOut.ENDLESS
        return LeftOut.MANY if self._noted >= self._page_limit * ADDRESSES_PER_PAGE else None

    def _one(self, query: str, values: Sequence[object] = ()) -> Any:  # of the column's type
        return self._database.execute(query, values).fetchone()[0]


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit at the end of the block, roll back when it raises."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
