"""Full-text search over chunks: FTS5 on SQLite, a tsvector on PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.storage import search_words
from app.storage.columns import CleanText, Terms

revision = "0004_chunk_search"
down_revision = "0003_pages"

BATCH = 500

_chunks = sa.table(
    "chunks",
    sa.column("id", CleanText),
    sa.column("text", CleanText),
    sa.column("number", sa.BigInteger),
    sa.column("terms", Terms),
)

_SQLITE = (
    "CREATE VIRTUAL TABLE chunk_search USING fts5("
    "terms, content='chunks', content_rowid='number', tokenize='ascii')",
    "CREATE TRIGGER chunk_added AFTER INSERT ON chunks WHEN new.terms IS NOT NULL BEGIN "
    "INSERT INTO chunk_search (rowid, terms) VALUES (new.number, new.terms); END",
    "CREATE TRIGGER chunk_removed AFTER DELETE ON chunks WHEN old.terms IS NOT NULL BEGIN "
    "INSERT INTO chunk_search (chunk_search, rowid, terms) "
    "VALUES ('delete', old.number, old.terms); END",
    "INSERT INTO chunk_search (chunk_search) VALUES ('rebuild')",
)
"""The triggers come after the rows have their words: chunks are never changed later."""


def upgrade() -> None:
    op.add_column("chunks", sa.Column("number", sa.BigInteger(), nullable=True))
    op.add_column("chunks", sa.Column("terms", Terms(), nullable=True))
    op.create_index("ix_chunks_number", "chunks", ["number"], unique=True)
    connection = op.get_bind()
    _fill(connection)
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE:
            op.execute(statement)
    else:
        op.execute("CREATE INDEX ix_chunks_terms ON chunks USING gin (terms)")


def _fill(connection: sa.Connection) -> None:
    for batch in _batches(connection):
        connection.execute(
            sa.update(_chunks)
            .where(_chunks.c.id == sa.bindparam("own_id"))
            .values(number=sa.bindparam("own_number"), terms=sa.bindparam("own_terms")),
            batch,
        )


def _batches(connection: sa.Connection) -> Iterator[list[dict[str, Any]]]:  # rows of several types
    last = ""
    while True:
        query = sa.select(_chunks.c.id, _chunks.c.text).where(_chunks.c.id > last)
        rows = connection.execute(query.order_by(_chunks.c.id).limit(BATCH)).all()
        if not rows:
            return
        last = rows[-1].id
        yield [
            {
                "own_id": row.id,
                "own_number": search_words.number_of(row.id),
                "own_terms": " ".join(search_words.of_text(row.text)),
            }
            for row in rows
        ]
