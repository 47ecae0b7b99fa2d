"""Who did what through the API."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText, Moment

revision = "0010_audit"
down_revision = "0009_owners"


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", CleanText(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("actor", CleanText(), nullable=False),
        sa.Column("key_id", CleanText()),
        sa.Column("action", CleanText(), nullable=False),
        sa.Column("subject", CleanText(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("detail", CleanText(), nullable=False),
        sa.Column("outcome", CleanText(), nullable=False),
        sa.Column("address", CleanText(), nullable=False),
        sa.Column("user_agent", CleanText(), nullable=False),
        sa.Column("request_id", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
    op.create_index("ix_audit_log_actor_id", "audit_log", ["actor", "id"])
    op.create_index("ix_audit_log_subject", "audit_log", ["subject"])
