"""Upgrades of real databases."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from app.storage import migrate, schema
from app.storage.engine import Database


def is_of_schema(name: str | None, kind: str, _parents: object) -> bool:
    """Not the full-text indexes, which each database has in its own way."""
    return not (name or "").startswith(("chunk_search", "ix_chunks_terms"))


def test_upgrade_makes_the_tables_of_the_schema(database_url: str) -> None:
    database = Database(database_url)

    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_of_schema})
        found = compare_metadata(context, schema.metadata)

    database.close()
    assert found == []


def test_upgrade_twice_changes_nothing(database_url: str) -> None:
    assert migrate.upgrade(database_url) == migrate.head()
    assert migrate.upgrade(database_url) == migrate.head()


def test_upgrade_by_many_at_once_works_for_each(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/celeriac.db"

    with ThreadPoolExecutor(8) as threads:
        reached = list(threads.map(migrate.upgrade, [url] * 8))

    assert reached == [migrate.head()] * 8
