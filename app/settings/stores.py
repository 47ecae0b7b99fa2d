"""The broker, the database, and the storage of files."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr

from app.settings.group import MEBIBYTE, NONE_IF_EMPTY, Group


class BrokerSettings(Group):
    """The broker of messages, results and progress events."""

    broker_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        validation_alias=AliasChoices("CELERY_BROKER_URL", "REDIS_URL"),
        description="Redis or Valkey that holds the queues and the event streams.",
    )
    sentinel_master: str = Field(
        "",
        validation_alias="CELERIAC_SENTINEL_MASTER",
        description="The master set, if the broker's URL names Sentinels (`sentinel://`).",
    )
    sentinel_username: Annotated[str | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="CELERIAC_SENTINEL_USERNAME",
        description="User of the Sentinels themselves. The URL holds that of their master.",
    )
    sentinel_password: Annotated[SecretStr | None, NONE_IF_EMPTY] = Field(
        None,
        validation_alias="CELERIAC_SENTINEL_PASSWORD",
        description="Password of the Sentinels themselves. The URL holds that of their master.",
    )
    sentinel_tls: bool = Field(
        default=False,
        validation_alias="CELERIAC_SENTINEL_TLS",
        description="Use TLS to the Sentinels, with the `ssl_*` options of the URL.",
    )
    result_backend_url: SecretStr | None = Field(
        None,
        validation_alias="CELERY_RESULT_BACKEND",
        description="Results of plain tasks. Default: the broker's server.",
    )
    result_expires_s: int = Field(
        3600,
        validation_alias="CELERY_RESULT_EXPIRES",
        description="How long results of plain tasks are kept, in seconds.",
        gt=0,
    )
    visibility_timeout_s: int = Field(
        3600,
        validation_alias="CELERY_VISIBILITY_TIMEOUT",
        gt=0,
        description="After this time an unacknowledged message of a plain task is delivered "
        "again. A job depends on its lease instead.",
    )
    always_eager: bool = Field(
        default=False,
        validation_alias="CELERY_TASK_ALWAYS_EAGER",
        description="Run a job inside the request. For tests of applications, not for production.",
    )


class DatabaseSettings(Group):
    """The database of jobs, sources, chunks and uploads."""

    url: SecretStr = Field(
        SecretStr("sqlite:///.celeriac/celeriac.db"),
        validation_alias="DATABASE_URL",
        description="An SQLAlchemy URL; `sqlite:///` (WAL) or `postgresql://` (psycopg 3).",
    )
    pool_size: int = Field(
        5,
        validation_alias="DATABASE_POOL_SIZE",
        description="Connections to PostgreSQL per process.",
        ge=1,
    )
    mongodb_url: SecretStr | None = Field(
        None,
        validation_alias="MONGODB_URL",
        description="A MongoDB, or a compatible server, for the chunks instead "
        "(`mongodb://host/database`).",
    )
    audit_days: int = Field(
        365,
        validation_alias="CELERIAC_AUDIT_DAYS",
        description="Age in days from which lines of the audit log are removed.",
        ge=1,
        le=36_500,
    )


class FileSettings(Group):
    """Folders and limits of files."""

    temp_dir: Path = Field(
        Path(".celeriac/temp"),
        validation_alias="TEMP_DIR",
        description="Work in progress, one folder per job, shared by the pools of a pipeline.",
    )
    storage_dir: Path = Field(
        Path(".celeriac/storage"),
        validation_alias="STORAGE_DIR",
        description="Artifacts and uploads, unless STORAGE_URL is set.",
    )
    cache_dir: Path = Field(
        Path(".celeriac/cache"),
        validation_alias="CACHE_DIR",
        description="Caches of pipelines, one folder each (`youtube`, `pdf`). Anything in it "
        "may be removed at any time.",
    )
    storage_url: str | None = Field(
        None,
        validation_alias="STORAGE_URL",
        description="An object store (`s3://bucket/prefix`, `gs://`, `az://`) instead.",
    )
    upload_limit_bytes: int = Field(
        512 * MEBIBYTE,
        validation_alias="CELERIAC_UPLOAD_LIMIT_BYTES",
        description="A larger upload is refused.",
        gt=0,
    )
    download_limit_bytes: int = Field(
        4096 * MEBIBYTE,
        validation_alias="CELERIAC_DOWNLOAD_LIMIT_BYTES",
        description="A job fails on a larger download.",
        gt=0,
    )
