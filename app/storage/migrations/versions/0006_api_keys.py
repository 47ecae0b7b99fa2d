"""API keys."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText, Moment

revision = "0006_api_keys"
down_revision = "0005_children"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", CleanText(), nullable=False),
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("owner", CleanText(), nullable=False),
        sa.Column("scope", CleanText(), nullable=False),
        sa.Column("digest", CleanText(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.Column("last_used_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
