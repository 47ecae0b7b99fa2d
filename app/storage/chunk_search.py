"""Full-text search over the chunks of the database: FTS5 on SQLite, `tsvector` on PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    cast,
    column,
    func,
    literal,
    select,
    table,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from app.storage import schema, terms
from app.storage.engine import Database

_chunks = schema.chunks
_index = table("chunk_search", column("rowid"))

COUNTED = 10_000
"""A word that more chunks have is common: how common need not be known."""

BY_LENGTH = 1
"""`ts_rank`'s way to weigh long texts: by the logarithm of their length."""


def rows(
    database: Database, query: str, *, chatbot_id: str | None, source_id: str | None, limit: int
) -> Sequence[Row[Any]]:  # of the chunks' columns and `score`
    """The chunks that have a word of the query, those first that have rare ones and many."""
    words = terms.of_query(query)
    if not words:
        return ()
    belongs = _belongs(chatbot_id, source_id)
    build = _sqlite if database.dialect == "sqlite" else _postgresql
    found = build(words, belongs).limit(limit)
    with database.read() as connection:
        return connection.execute(found).all()


def _belongs(chatbot_id: str | None, source_id: str | None) -> ColumnElement[bool]:
    belongs: ColumnElement[bool] = true()
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
    """`ts_rank` knows nothing of rare words: the sum over the words weighs each by its rarity."""
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
