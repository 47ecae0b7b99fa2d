"""Chunks, the pieces of a source's text, and search over them (FTS5 on SQLite, else `tsvector`)."""

import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from app.storage import ownership, schema, search_words
from app.storage.engine import Database, dump_json

_chunks = schema.chunks

_FIELDS = ("id", "source_id", "chatbot_id", "ordinal", "text", "tokens", "metadata")

BATCH = 500
"""Rows of one INSERT: enough to be fast, few enough for any limit on parameters."""

IN_MEMORY_BYTES = 4 * 1024 * 1024
"""Pending rows in memory; more of them are buffered in a file."""

_index = table("chunk_search", column("rowid"))

COUNTED = 10_000
"""Limit for counting the chunks that have a word: any more common word weighs the same."""

BY_LENGTH = 1
"""`ts_rank`'s normalisation by the logarithm of a text's length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChunk:
    """A piece of text and where it came from (page, sheet, heading ...)."""

    text: str
    tokens: int
    metadata: dict[str, Any]  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A stored piece of a source."""

    id: str
    """`<source id>-<ordinal>`, so that processing a source again keeps the ids."""
    source_id: str
    chatbot_id: str
    ordinal: int
    text: str
    tokens: int
    metadata: dict[str, Any]  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A chunk of a search result with its score."""

    chunk: Chunk
    score: float
    """Relative to the best hit of the result, which has 1, in every store."""


def hits(found: Iterable[tuple[Chunk, float]]) -> list[Hit]:
    """Hits from chunks with the scores of a store, the best first."""
    scored = list(found)
    best = scored[0][1] if scored else 0.0
    return [
        Hit(chunk=chunk, score=round(score / best, 3) if best > 0 else 1.0)
        for chunk, score in scored
    ]


class ChunkStore(Protocol):
    """A store of chunks."""

    def replace(self, source_id: str, chunks: Iterable[NewChunk], *, chatbot_id: str) -> None:
        """Replace the source's chunks, all or none of them.

        The chunks may come from a file: at most one batch is in memory at once.
        """

    def of_source(self, source_id: str) -> list[Chunk]:
        """The chunks in the order of the source."""

    def part_of_source(self, source_id: str, *, first: int, count: int) -> list[Chunk]:
        """At most `count` chunks from the ordinal `first` on, in their order."""

    def count(self, *, source_id: str | None = None, chatbot_id: str | None = None) -> int:
        """The number of chunks, optionally of one source or bot."""

    def erase(self, owner: str) -> int:
        """Erase the chunks of all sources of this owner; returns their number."""

    def search(
        self,
        query: str,
        *,
        chatbot_id: str | None = None,
        source_id: str | None = None,
        limit: int = 10,
    ) -> list[Hit]:
        """The chunks with a word of the query, best first, optionally of one source or bot. Case
        and accents are ignored."""


class SqlChunkStore:
    """Chunks in the platform's own database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, source_id: str, chunks: Iterable[NewChunk], *, chatbot_id: str) -> None:
        # Finding words takes a second per megabyte, so it happens before the write lock.
        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, "w+") as spool:
            for batch in _batches(source_id, chatbot_id, chunks):
                spool.write(f"{dump_json(batch)}\n")
            spool.seek(0)
            with self._database.write() as connection:
                connection.execute(delete(_chunks).where(_belongs(None, source_id)))
                for line in spool:
                    connection.execute(insert(_chunks), json.loads(line))

    def of_source(self, source_id: str) -> list[Chunk]:
        query = (
            select(_chunks)
            .where(_chunks.c.source_id == source_id, ownership.visible(_chunks))
            .order_by(_chunks.c.ordinal)
        )
        with self._database.read() as connection:
            return [_chunk(row) for row in connection.execute(query)]

    def part_of_source(self, source_id: str, *, first: int, count: int) -> list[Chunk]:
        query = (
            select(_chunks)
            .where(
                _chunks.c.source_id == source_id,
                _chunks.c.ordinal >= first,
                ownership.visible(_chunks),
            )
            .order_by(_chunks.c.ordinal)
            .limit(count)
        )
        with self._database.read() as connection:
            return [_chunk(row) for row in connection.execute(query)]

    def count(self, *, source_id: str | None = None, chatbot_id: str | None = None) -> int:
        query = select(func.count()).select_from(_chunks).where(_belongs(chatbot_id, source_id))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def erase(self, owner: str) -> int:
        erased = 0
        some = select(_chunks.c.id).where(_chunks.c.owner == owner).limit(BATCH)
        while True:  # writers of other sources do not wait for all of it
            with self._database.write() as connection:
                gone = connection.execute(delete(_chunks).where(_chunks.c.id.in_(some)))
            erased += gone.rowcount
            if gone.rowcount < BATCH:
                return erased

    def search(
        self,
        query: str,
        *,
        chatbot_id: str | None = None,
        source_id: str | None = None,
        limit: int = 10,
    ) -> list[Hit]:
        found = _search_rows(
            self._database, query, chatbot_id=chatbot_id, source_id=source_id, limit=limit
        )
        return hits((_chunk(row), float(row.score)) for row in found)


def _batches(
    source_id: str, chatbot_id: str, chunks: Iterable[NewChunk]
) -> Iterator[list[dict[str, Any]]]:  # rows of several types
    numbered = enumerate(chunks)
    while batch := list(itertools.islice(numbered, BATCH)):
        yield [
            {
                "id": f"{source_id}-{ordinal}",
                "source_id": source_id,
                "owner": ownership.current().owner,
                "chatbot_id": chatbot_id,
                "ordinal": ordinal,
                "text": chunk.text,
                "tokens": chunk.tokens,
                "metadata": chunk.metadata,
                "number": search_words.number_of(f"{source_id}-{ordinal}"),
                "terms": " ".join(search_words.of_text(chunk.text)),
            }
            for ordinal, chunk in batch
        ]


def _chunk(row: Row[Any]) -> Chunk:  # one row of the table, whose columns differ in type
    return Chunk(**{name: row._mapping[name] for name in _FIELDS})


def _search_rows(
    database: Database, query: str, *, chatbot_id: str | None, source_id: str | None, limit: int
) -> Sequence[Row[Any]]:  # of the chunks' columns and `score`
    """The chunks with a word of the query, ranked by the number and rarity of the words."""
    words = search_words.of_query(query)
    if not words:
        return ()
    belongs = _belongs(chatbot_id, source_id)
    build = _sqlite if database.dialect == "sqlite" else _postgresql
    found = build(words, belongs).limit(limit)
    with database.read() as connection:
        return connection.execute(found).all()


def _belongs(chatbot_id: str | None, source_id: str | None) -> ColumnElement[bool]:
    belongs = ownership.visible(_chunks)
    if chatbot_id is not None:
        belongs &= _chunks.c.chatbot_id == chatbot_id
    if source_id is not None:
        belongs &= _chunks.c.source_id == source_id
    return belongs


def _sqlite(words: list[str], belongs: ColumnElement[bool]) -> Select[Any]:
    wanted = " OR ".join(f'"{word}"' for word in words)
    score = (-func.bm25(text("chunk_search"))).label("score")
    return (
        select(_chunks, score)
        .select_from(_index.join(_chunks, _chunks.c.number == _index.c.rowid))
        .where(text("chunk_search MATCH :wanted").bindparams(wanted=wanted), belongs)
        .order_by(score.desc(), _chunks.c.source_id, _chunks.c.ordinal)
    )


def _postgresql(words: list[str], belongs: ColumnElement[bool]) -> Select[Any]:
    """`ts_rank` ignores rarity, so the sum over the words weights each by its rarity."""
    queries = [cast(literal(f"'{word}'"), TSQUERY) for word in words]
    either = cast(literal(" | ".join(f"'{word}'" for word in words)), TSQUERY)
    total = _counted(belongs)
    score = sum(
        (
            func.ln(1 + total / (0.5 + _counted(belongs & _has(query))))
            * func.ts_rank(_chunks.c.terms, query, BY_LENGTH)
            for query in queries
        ),
        start=literal(0.0),
    ).label("score")
    return (
        select(_chunks, score)
        .where(_has(either), belongs)
        .order_by(score.desc(), _chunks.c.source_id, _chunks.c.ordinal)
    )


def _has(query: ColumnElement[Any]) -> ColumnElement[bool]:  # a tsquery
    return _chunks.c.terms.op("@@", is_comparison=True)(query)


def _counted(belongs: ColumnElement[bool]) -> ColumnElement[int]:
    some = select(literal(1)).select_from(_chunks).where(belongs).limit(COUNTED).subquery()
    return select(func.count()).select_from(some).scalar_subquery()
