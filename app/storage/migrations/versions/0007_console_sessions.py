"""Sessions of the console."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText, Moment

revision = "0007_console_sessions"
down_revision = "0006_api_keys"


def upgrade() -> None:
    op.create_table(
        "console_sessions",
        sa.Column("digest", CleanText(), nullable=False),
        sa.Column("key_id", CleanText(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_console_sessions")),
    )
