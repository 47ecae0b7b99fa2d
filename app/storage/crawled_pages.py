"""Pages of a crawled site: what tells at the next crawl that one has not changed."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select

from app.storage import schema
from app.storage.engine import Database

_pages = schema.pages

BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPage:
    """A page as it was when it was fetched last, and where its chunks stand in its source."""

    url: str
    etag: str | None
    modified: str | None
    """The `Last-Modified` header as it came."""
    body_digest: str
    text_sha256: str
    shape: str
    """Digest of the text without its numbers."""
    links: bytes
    """Where it leads: addresses, one a line, packed by zlib."""
    first_ordinal: int
    chunks: int


class PageStore:
    """The pages of each source."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_source(self, source_id: str) -> Iterator[StoredPage]:
        """In no order; they come in batches."""
        query = select(_pages).where(_pages.c.source_id == source_id)
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=BATCH).execute(query):
                yield _page(row)

    def replace(self, source_id: str, pages: Iterable[StoredPage]) -> None:
        """Make these the source's pages."""
        rows = ({"source_id": source_id, **asdict(page)} for page in pages)
        with self._database.write() as connection:
            connection.execute(delete(_pages).where(_pages.c.source_id == source_id))
            while batch := list(itertools.islice(rows, BATCH)):
                connection.execute(insert(_pages), batch)


def _page(row: Row[Any]) -> StoredPage:  # one row of the table, whose columns differ in type
    values = dict(row._mapping)
    del values["source_id"]
    return StoredPage(**values)
