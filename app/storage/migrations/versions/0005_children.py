"""Jobs that wait for their children; videos that were processed."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText, Moment

revision = "0005_children"
down_revision = "0004_chunk_search"


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "waits_for_children",
            sa.Boolean(create_constraint=False),
            nullable=False,
            server_default=sa.false(),  # also for the rows that workers of before still write
        ),
    )
    _create_index("ix_jobs_waiting", "id", where="waits_for_children")
    _create_index("ix_jobs_cancels", "state", "id", where="cancel_requested")
    op.create_table(
        "video_archive",
        sa.Column("key", CleanText(), nullable=False),
        sa.Column("video_id", CleanText(), nullable=False),
        sa.Column("job_id", CleanText(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_video_archive")),
    )


def _create_index(name: str, *columns: str, where: str) -> None:
    op.create_index(
        name,
        "jobs",
        list(columns),
        unique=False,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
