"""The tables. A change here needs a migration; a test compares the two."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    false,
    text,
)

from app.storage.columns import CleanText, Moment, Terms

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_json = JSON(none_as_null=True)  # JSON and not JSONB: JSONB refuses "\u0000" in strings

jobs = Table(
    "jobs",
    metadata,
    Column("id", CleanText, primary_key=True),
    Column("pipeline", CleanText, nullable=False),
    Column("params", _json, nullable=False),
    Column("state", CleanText, nullable=False),
    Column("stage", CleanText, nullable=False),
    Column("stage_input", _json),
    Column("fence", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("progress", Float, nullable=False),
    Column("message", CleanText, nullable=False),
    Column("speed", CleanText),
    Column("eta_seconds", Float),
    Column("not_before", Moment),
    Column("published_at", Moment),
    Column("lease_until", Moment),
    Column("worker", CleanText),
    Column("result", _json),
    Column("error", _json),
    Column("parent_id", CleanText),
    Column("idempotency_key", CleanText, unique=True),
    Column("fingerprint", CleanText),
    Column("labels", _json, nullable=False),
    Column("webhook_url", CleanText),
    Column("on_success", _json),
    Column("on_failure", _json),
    Column("cancel_requested", Boolean(create_constraint=False), nullable=False),
    Column("finalizer_due", Boolean(create_constraint=False), nullable=False),
    Column("finalizer_runs", Integer, nullable=False),
    Column("finalized_at", Moment),
    Column("dead_lettered_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column(
        "waits_for_children",
        Boolean(create_constraint=False),
        nullable=False,
        server_default=false(),
    ),
    Column("traceparent", CleanText),
    Column("traced_fence", Integer),
    Column("owner", CleanText, nullable=False, server_default=""),
)
"""One row per job. `published_at` is None until the first attempt to publish the current stage;
`lease_until` is set while a worker holds the job or its finalizer; `fingerprint` shows whether two
requests with one idempotency key are the same; `traced_fence` is the last run whose spans were
exported, None for a job that is not traced."""


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(
        name,
        *(jobs.c[column] for column in columns),
        sqlite_where=text(where),
        postgresql_where=text(where),
    )


Index("ix_jobs_pipeline_id", jobs.c.pipeline, jobs.c.id)
Index("ix_jobs_state_id", jobs.c.state, jobs.c.id)
Index("ix_jobs_owner_id", jobs.c.owner, jobs.c.id)
Index("ix_jobs_pipeline_state_id", jobs.c.pipeline, jobs.c.state, jobs.c.id)
_partial("ix_jobs_children", "parent_id", "id", where="parent_id IS NOT NULL")
_partial("ix_jobs_dead", "id", where="dead_lettered_at IS NOT NULL")
# For the reconciler. Each begins with what its query compares by `=`: without statistics SQLite
# takes another index otherwise.
_partial("ix_jobs_queued", "state", "published_at", "id", where="state = 'queued'")
_partial("ix_jobs_leases", "lease_until", where="lease_until IS NOT NULL")
_partial("ix_jobs_finalizers", "published_at", where="finalizer_due")
_partial("ix_jobs_waiting", "id", where="waits_for_children")
_partial(
    "ix_jobs_traces",
    "finished_at",
    where="fence > traced_fence AND finished_at IS NOT NULL AND lease_until IS NULL",
)
_partial("ix_jobs_cancels", "state", "id", where="cancel_requested")
_partial("ix_jobs_unfinished", "owner", where="state IN ('queued', 'running')")

job_labels = Table(
    "job_labels",
    metadata,
    Column("job_id", CleanText, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", CleanText, primary_key=True),
    Column("value", CleanText, nullable=False),
)
Index("ix_job_labels_key_value_job_id", job_labels.c.key, job_labels.c.value, job_labels.c.job_id)

runs = Table(
    "runs",
    metadata,
    Column("job_id", CleanText, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("fence", Integer, primary_key=True),
    Column("stage", CleanText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", CleanText, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("published_at", Moment),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("outcome", CleanText),
    Column("error", _json),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("job_id", CleanText, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", CleanText, primary_key=True),
    Column("media_type", CleanText, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", CleanText, nullable=False),
    Column("key", CleanText, nullable=False),
    Column("created_at", Moment, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("id", CleanText, primary_key=True),
    Column("chatbot_id", CleanText, nullable=False),
    Column("filename", CleanText, nullable=False),
    Column("status", CleanText, nullable=False),
    Column("error", CleanText),
    Column("job_id", CleanText),
    Column("content_sha256", CleanText),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("owner", CleanText, nullable=False, server_default=""),
)
Index("ix_sources_chatbot_id_id", sources.c.chatbot_id, sources.c.id)

chunks = Table(
    "chunks",
    metadata,
    Column("id", CleanText, primary_key=True),
    Column("source_id", CleanText, nullable=False),
    Column("chatbot_id", CleanText, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("text", CleanText, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("metadata", _json, nullable=False),
    Column("number", BigInteger),
    Column("terms", Terms),
    Column("owner", CleanText, nullable=False, server_default=""),
)
"""`number` is what SQLite's full-text index `chunk_search` calls the chunk; triggers keep the index
as the table is. `terms` are the words of the text (`storage.search_words`)."""
Index("ix_chunks_number", chunks.c.number, unique=True)
Index("ix_chunks_source_id_ordinal", chunks.c.source_id, chunks.c.ordinal, unique=True)
Index("ix_chunks_chatbot_id", chunks.c.chatbot_id)

pages = Table(
    "pages",
    metadata,
    Column("source_id", CleanText, primary_key=True),
    Column("url", CleanText, primary_key=True),
    Column("etag", CleanText),
    Column("modified", CleanText),
    Column("body_digest", CleanText, nullable=False),
    Column("text_sha256", CleanText, nullable=False),
    Column("shape", CleanText, nullable=False),
    Column("links", LargeBinary, nullable=False),
    Column("first_ordinal", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", CleanText, primary_key=True),
    Column("filename", CleanText, nullable=False),
    Column("media_type", CleanText, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", CleanText, nullable=False),
    Column("key", CleanText, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("owner", CleanText, nullable=False, server_default=""),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", CleanText, primary_key=True),
    Column("key", CleanText, nullable=False, unique=True),
    Column("user_id", CleanText, nullable=False),
    Column("type", CleanText, nullable=False),
    Column("title", CleanText, nullable=False),
    Column("message", CleanText, nullable=False),
    Column("data", _json, nullable=False),
    Column("job_id", CleanText),
    Column("created_at", Moment, nullable=False),
    Column("read_at", Moment),
    Column("owner", CleanText, nullable=False, server_default=""),
)
"""One row per notification. `key` names the job or task that sends it, so that a repeated task
finds the row instead of creating another."""

Index("ix_notifications_user_id_id", notifications.c.user_id, notifications.c.id)
Index(
    "ix_notifications_unread",
    notifications.c.user_id,
    notifications.c.id,
    sqlite_where=text("read_at IS NULL"),
    postgresql_where=text("read_at IS NULL"),
)

notification_deliveries = Table(
    "notification_deliveries",
    metadata,
    Column(
        "notification_id",
        CleanText,
        ForeignKey("notifications.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("channel", CleanText, primary_key=True),
    Column("target", CleanText, nullable=False),
    Column("state", CleanText, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", CleanText),
    Column("updated_at", Moment, nullable=False),
    Column("delivered_at", Moment),
)

disabled_webhooks = Table(
    "disabled_webhooks",
    metadata,
    Column("url", CleanText, primary_key=True),
    Column("reason", CleanText, nullable=False),
    Column("disabled_at", Moment, nullable=False),
)
"""Webhooks that answered 410 Gone and are disabled."""

video_archive = Table(
    "video_archive",
    metadata,
    Column("key", CleanText, primary_key=True),
    Column("video_id", CleanText, nullable=False),
    Column("job_id", CleanText),
    Column("created_at", Moment, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", CleanText, primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("owner", CleanText, nullable=False),
    Column("scope", CleanText, nullable=False),
    Column("digest", CleanText, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
)
"""`digest` is SHA-256 of the secret, which is not stored."""

owner_limits = Table(
    "owner_limits",
    metadata,
    Column("owner", CleanText, primary_key=True),
    Column("weight", Float, nullable=False),
    Column("requests_per_minute", BigInteger),
    Column("unfinished_jobs", BigInteger),
    Column("running_jobs", BigInteger),
    Column("stored_bytes", BigInteger),
    Column("llm_tokens_per_day", BigInteger),
    Column("recipients_per_day", BigInteger),
)
"""Limits that replace the server's; None is no limit."""

console_sessions = Table(
    "console_sessions",
    metadata,
    Column("digest", CleanText, primary_key=True),
    Column("key_id", CleanText, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
"""`digest` is SHA-256 of the token in the cookie. `key_id` is an API key's, or the name of the
setting that holds the key."""

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", CleanText, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("actor", CleanText, nullable=False),
    Column("key_id", CleanText),
    Column("action", CleanText, nullable=False),
    Column("subject", CleanText, nullable=False),
    Column("count", Integer, nullable=False),
    Column("detail", CleanText, nullable=False),
    Column("outcome", CleanText, nullable=False),
    Column("address", CleanText, nullable=False),
    Column("user_agent", CleanText, nullable=False),
    Column("request_id", CleanText, nullable=False),
)
"""Ids sort by time."""

Index("ix_audit_log_at", audit_log.c.at)
Index("ix_audit_log_actor_id", audit_log.c.actor, audit_log.c.id)
Index("ix_audit_log_subject", audit_log.c.subject)
