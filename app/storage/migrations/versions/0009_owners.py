"""Owners of jobs and of what clients store."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText

revision = "0009_owners"
down_revision = "0008_traces"


def upgrade() -> None:
    for table in ("jobs", "sources", "uploads", "chunks", "notifications"):
        op.add_column(table, sa.Column("owner", CleanText(), nullable=False, server_default=""))
    op.create_index("ix_jobs_owner_id", "jobs", ["owner", "id"])
