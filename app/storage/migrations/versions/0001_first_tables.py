"""The first tables: jobs with their runs and artifacts, sources, chunks, uploads."""

import sqlalchemy as sa
from alembic import op

from app.storage.columns import CleanText, Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_jobs()
    _create_job_labels()
    _create_runs()
    _create_artifacts()
    _create_sources()
    _create_chunks()
    _create_uploads()


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", CleanText(), nullable=False),
        sa.Column("pipeline", CleanText(), nullable=False),
        sa.Column("params", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("state", CleanText(), nullable=False),
        sa.Column("stage", CleanText(), nullable=False),
        sa.Column("stage_input", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("message", CleanText(), nullable=False),
        sa.Column("speed", CleanText(), nullable=True),
        sa.Column("eta_seconds", sa.Float(), nullable=True),
        sa.Column("not_before", Moment(), nullable=True),
        sa.Column("published_at", Moment(), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("worker", CleanText(), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("parent_id", CleanText(), nullable=True),
        sa.Column("idempotency_key", CleanText(), nullable=True),
        sa.Column("fingerprint", CleanText(), nullable=True),
        sa.Column("labels", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("webhook_url", CleanText(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("finalizer_due", sa.Boolean(), nullable=False),
        sa.Column("finalizer_runs", sa.Integer(), nullable=False),
        sa.Column("finalized_at", Moment(), nullable=True),
        sa.Column("dead_lettered_at", Moment(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("started_at", Moment(), nullable=True),
        sa.Column("finished_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_jobs_idempotency_key")),
    )
    op.create_index(
        "ix_jobs_children",
        "jobs",
        ["parent_id", "id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_dead",
        "jobs",
        ["id"],
        unique=False,
        sqlite_where=sa.text("dead_lettered_at IS NOT NULL"),
        postgresql_where=sa.text("dead_lettered_at IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_finalizers",
        "jobs",
        ["published_at"],
        unique=False,
        sqlite_where=sa.text("finalizer_due"),
        postgresql_where=sa.text("finalizer_due"),
    )
    op.create_index(
        "ix_jobs_leases",
        "jobs",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index("ix_jobs_pipeline_id", "jobs", ["pipeline", "id"], unique=False)
    op.create_index("ix_jobs_pipeline_state_id", "jobs", ["pipeline", "state", "id"], unique=False)
    op.create_index(
        "ix_jobs_queued",
        "jobs",
        ["state", "published_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"], unique=False)


def _create_job_labels() -> None:
    op.create_table(
        "job_labels",
        sa.Column("job_id", CleanText(), nullable=False),
        sa.Column("key", CleanText(), nullable=False),
        sa.Column("value", CleanText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_labels_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "key", name=op.f("pk_job_labels")),
    )
    op.create_index(
        "ix_job_labels_key_value_job_id", "job_labels", ["key", "value", "job_id"], unique=False
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("job_id", CleanText(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("stage", CleanText(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", CleanText(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("outcome", CleanText(), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_runs_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "fence", name=op.f("pk_runs")),
    )


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("job_id", CleanText(), nullable=False),
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("media_type", CleanText(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", CleanText(), nullable=False),
        sa.Column("key", CleanText(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_artifacts_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("pk_artifacts")),
    )


def _create_sources() -> None:
    op.create_table(
        "sources",
        sa.Column("id", CleanText(), nullable=False),
        sa.Column("chatbot_id", CleanText(), nullable=False),
        sa.Column("filename", CleanText(), nullable=False),
        sa.Column("status", CleanText(), nullable=False),
        sa.Column("error", CleanText(), nullable=True),
        sa.Column("job_id", CleanText(), nullable=True),
        sa.Column("content_sha256", CleanText(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
    )
    op.create_index("ix_sources_chatbot_id_id", "sources", ["chatbot_id", "id"], unique=False)


def _create_chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", CleanText(), nullable=False),
        sa.Column("source_id", CleanText(), nullable=False),
        sa.Column("chatbot_id", CleanText(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("text", CleanText(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
    )
    op.create_index("ix_chunks_chatbot_id", "chunks", ["chatbot_id"], unique=False)
    op.create_index("ix_chunks_source_id_ordinal", "chunks", ["source_id", "ordinal"], unique=True)


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", CleanText(), nullable=False),
        sa.Column("filename", CleanText(), nullable=False),
        sa.Column("media_type", CleanText(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", CleanText(), nullable=False),
        sa.Column("key", CleanText(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
