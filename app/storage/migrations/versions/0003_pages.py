"""Pages of crawled sites."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText

revision = "0003_pages"
down_revision = "0002_notifications"


def upgrade() -> None:
    op.create_table(
        "pages",
        sa.Column("source_id", CleanText(), nullable=False),
        sa.Column("url", CleanText(), nullable=False),
        sa.Column("etag", CleanText(), nullable=True),
        sa.Column("modified", CleanText(), nullable=True),
        sa.Column("body_digest", CleanText(), nullable=False),
        sa.Column("text_sha256", CleanText(), nullable=False),
        sa.Column("shape", CleanText(), nullable=False),
        sa.Column("links", sa.LargeBinary(), nullable=False),
        sa.Column("first_ordinal", sa.Integer(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "url", name=op.f("pk_pages")),
    )
