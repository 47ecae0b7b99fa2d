"""Upgrades a database to the tables of this version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.storage import engine

FOLDER = Path(__file__).parent / "migrations"

LOCK_NUMBER = 0x63656C65726961
"""PostgreSQL's advisory lock that upgrades take: "celeria" in ASCII."""


def upgrade(url: str) -> str:
    """Run the missing migrations; returns the new revision of the database.

    Several processes may call it at once: one upgrades, the others wait. The upgrade is a single
    transaction, so a failed one changes nothing.
    """
    database = engine.Database(url)
    try:
        with database.write() as connection:
            if database.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": LOCK_NUMBER})
            command.upgrade(_config(connection), "head")
            return MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        database.close()


def head() -> str:
    """The revision that this version of the code needs."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or ""


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
