"""Traces: the context that a job was submitted in, and what of it was exported."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText, Moment

revision = "0008_traces"
down_revision = "0007_console_sessions"

_DUE = sa.text("fence > traced_fence AND finished_at IS NOT NULL AND lease_until IS NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("traceparent", CleanText()))
    op.add_column("jobs", sa.Column("traced_fence", sa.Integer()))
    op.add_column("runs", sa.Column("published_at", Moment()))
    op.create_index(
        "ix_jobs_traces", "jobs", ["finished_at"], sqlite_where=_DUE, postgresql_where=_DUE
    )
