"""Limits of owners."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText

revision = "0011_owner_limits"
down_revision = "0010_audit"


def upgrade() -> None:
    op.create_table(
        "owner_limits",
        sa.Column("owner", CleanText(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger()),
        sa.Column("unfinished_jobs", sa.BigInteger()),
        sa.Column("running_jobs", sa.BigInteger()),
        sa.Column("stored_bytes", sa.BigInteger()),
        sa.Column("llm_tokens_per_day", sa.BigInteger()),
        sa.Column("recipients_per_day", sa.BigInteger()),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_owner_limits")),
    )
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["owner"],
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
