"""Notifications with their deliveries, webhooks that are gone, and what follows a job."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText, Moment

revision = "0002_notifications"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("on_success", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("jobs", sa.Column("on_failure", sa.JSON(none_as_null=True), nullable=True))
    _create_notifications()
    _create_deliveries()
    op.create_table(
        "disabled_webhooks",
        sa.Column("url", CleanText(), nullable=False),
        sa.Column("reason", CleanText(), nullable=False),
        sa.Column("disabled_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_disabled_webhooks")),
    )


def _create_notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", CleanText(), nullable=False),
        sa.Column("key", CleanText(), nullable=False),
        sa.Column("user_id", CleanText(), nullable=False),
        sa.Column("type", CleanText(), nullable=False),
        sa.Column("title", CleanText(), nullable=False),
        sa.Column("message", CleanText(), nullable=False),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("job_id", CleanText(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("read_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("key", name=op.f("uq_notifications_key")),
    )
    op.create_index("ix_notifications_user_id_id", "notifications", ["user_id", "id"], unique=False)
    op.create_index(
        "ix_notifications_unread",
        "notifications",
        ["user_id", "id"],
        unique=False,
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )


def _create_deliveries() -> None:
    op.create_table(
        "notification_deliveries",
        sa.Column("notification_id", CleanText(), nullable=False),
        sa.Column("channel", CleanText(), nullable=False),
        sa.Column("target", CleanText(), nullable=False),
        sa.Column("state", CleanText(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", CleanText(), nullable=True),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.Column("delivered_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_notification_deliveries_notification_id_notifications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "notification_id", "channel", name=op.f("pk_notification_deliveries")
        ),
    )
