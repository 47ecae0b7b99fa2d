"""Pages of crawled sites, with which the next crawl detects unchanged ones."""

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
    """A page as last fetched, and the position of its chunks in its source."""

    url: str
    etag: str | None
    modified: str | None
    """The unparsed `Last-Modified` header."""
    body_digest: str
    text_sha256: str
    shape: str
    """Digest of the text without its numbers."""
    links: bytes
    """Its links, one URL per line, compressed with zlib."""
    first_ordinal: int
    chunks: int


class PageStore:
    """The pages of each source."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_source(self, source_id: str) -> Iterator[StoredPage]:
        """The pages in no order, read in batches."""
        query = select(_pages).where(_pages.c.source_id == source_id)
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=BATCH).execute(query):
                yield _page(row)

    def replace(self, source_id: str, pages: Iterable[StoredPage]) -> None:
        """Replace the source's pages."""
        rows = ({"source_id": source_id, **asdict(page)} for page in pages)
        with self._database.write() as connection:
            connection.execute(delete(_pages).where(_pages.c.source_id == source_id))
            while batch := list(itertools.islice(rows, BATCH)):
                connection.execute(insert(_pages), batch)


def _page(row: Row[Any]) -> StoredPage:  # one row of the table, whose columns differ in type
    values = dict(row._mapping)
    del values["source_id"]
    return StoredPage(**values)
