"""Every setting, read from the environment once by composition and passed down as plain values.

Each group is frozen. Names in capitals are the environment variables. A duration is in seconds and
a size in bytes, as the name says.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MEBIBYTE = 1024 * 1024

WEBHOOK_SECRET_PREFIX = "whsec_"


def _split_at_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


class _Group(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class BrokerSettings(_Group):
    """Where messages, results and progress events live."""

    broker_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        validation_alias=AliasChoices("CELERY_BROKER_URL", "REDIS_URL"),
        description="Redis or Valkey that holds the queues and the event streams.",
    )
    result_backend_url: SecretStr | None = Field(
        None,
        validation_alias="CELERY_RESULT_BACKEND",
        description="Results of plain tasks; the broker's own server when not set.",
    )
    result_expires_s: int = Field(
        3600,
        validation_alias="CELERY_RESULT_EXPIRES",
        description="Results of plain tasks are kept for this long, in seconds.",
        gt=0,
    )
    visibility_timeout_s: int = Field(
        3600,
        validation_alias="CELERY_VISIBILITY_TIMEOUT",
        gt=0,
        description="After this a plain task's unacknowledged message is delivered again. "
        "A job does not wait for it: its lease decides.",
    )
    always_eager: bool = Field(
        default=False,
        validation_alias="CELERY_TASK_ALWAYS_EAGER",
        description="Run a job inside the request. For the tests of users, not for production.",
    )


class DatabaseSettings(_Group):
    """Where jobs, sources, chunks and uploads are rows."""

    url: SecretStr = Field(
        SecretStr("sqlite:///.celeriac/celeriac.db"),
        validation_alias="DATABASE_URL",
        description="An SQLAlchemy URL; `sqlite:///` (WAL) or `postgresql://` (psycopg 3).",
    )
    pool_size: int = Field(
        5,
        validation_alias="DATABASE_POOL_SIZE",
        description="Connections that one process keeps to PostgreSQL.",
        ge=1,
    )
    mongodb_url: SecretStr | None = Field(
        None,
        validation_alias="MONGODB_URL",
        description="A MongoDB, or a server that speaks like it, that keeps the chunks instead "
        "(`mongodb://host/database`).",
    )


class FileSettings(_Group):
    """Where files live, and how large they may be."""

    temp_dir: Path = Field(
        Path(".celeriac/temp"),
        validation_alias="TEMP_DIR",
        description="Work in progress, one folder a job, shared by the pools of a pipeline.",
    )
    storage_dir: Path = Field(
        Path(".celeriac/storage"),
        validation_alias="STORAGE_DIR",
        description="Artifacts and uploads, where STORAGE_URL names no object store.",
    )
    cache_dir: Path = Field(
        Path(".celeriac/cache"),
        validation_alias="CACHE_DIR",
        description="What pipelines keep for the next time, a folder each (`youtube`, `pdf`). "
        "Anything in it may be removed at any time.",
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
        description="A larger download ends its job.",
        gt=0,
    )


class FetchSettings(_Group):
    """What jobs may reach on the network."""

    allow_private_addresses: bool = Field(
        default=False,
        validation_alias="CELERIAC_ALLOW_PRIVATE_ADDRESSES",
        description="Let jobs fetch from private, loopback and link-local addresses.",
    )
    allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (),
        validation_alias="CELERIAC_ALLOWED_NETWORKS",
        description="Networks in CIDR notation, separated by commas, that jobs may reach although "
        "they are private: one internal media server, say, and nothing else.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="CELERIAC_ALLOWED_HOSTS",
        description="Host names, separated by commas, that jobs may reach whatever their address "
        "is. Whoever can say where such a name leads decides where jobs may go.",
    )
    timeout_s: float = Field(
        30.0,
        validation_alias="CELERIAC_FETCH_TIMEOUT_S",
        description="The other side may be silent for this long, in seconds.",
        gt=0,
    )
    proxy_url: str | None = Field(
        None,
        validation_alias="CELERIAC_FETCH_PROXY_URL",
        description="An HTTP proxy that all fetching goes through.",
    )

    @field_validator("allowed_networks", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_at_commas(value)


class SiteSettings(_Group):
    """How video sites are read."""

    cookies_file: Path | None = Field(
        None,
        validation_alias="CELERIAC_COOKIES_FILE",
        description="Cookies in Netscape's format, as browsers' extensions export them, for pages "
        "that only members see. It is read for each page and never written.",
    )
    proxy_url: SecretStr | None = Field(
        None,
        validation_alias="CELERIAC_SITES_PROXY_URL",
        description="An HTTP proxy for video sites, instead of the one for all fetching.",
    )
    bytes_per_s: int | None = Field(
        None,
        validation_alias="CELERIAC_SITES_BYTES_PER_S",
        gt=0,
        description="Most bytes a second of one download.",
    )
    concurrency: int | None = Field(
        None,
        validation_alias="CELERIAC_SITE_CONCURRENCY",
        gt=0,
        description="Most pages and downloads of one site at a time, over all workers.",
    )
    page_time_s: float = Field(
        300.0,
        validation_alias="CELERIAC_PAGE_TIME_S",
        gt=0,
        description="A page with its captions, or a listing, that takes longer to read is given "
        "up: a server that drips would hold a worker otherwise.",
    )
    search_url: str = Field(
        "ytsearch{limit}:{query}",
        validation_alias="CELERIAC_VIDEO_SEARCH",
        description="What words to search for become: one of yt-dlp's search prefixes, or a URL "
        "that answers with a feed, with `{query}` and `{limit}` in it.",
    )
    entry_limit: int = Field(
        1000,
        validation_alias="CELERIAC_PLAYLIST_LIMIT",
        gt=0,
        description="Most entries that are taken of one playlist.",
    )
    skip_archived: bool = Field(
        default=True,
        validation_alias="CELERIAC_SKIP_ARCHIVED",
        description="Playlists and channels leave out videos that were processed before with the "
        "same options.",
    )

    @field_validator("search_url")
    @classmethod
    def _has_query(cls, value: str) -> str:
        if "{query}" not in value:
            raise ValueError("CELERIAC_VIDEO_SEARCH has no {query} in it")
        return value


class FootageSettings(_Group):
    """What is taken out of videos."""

    caption_languages: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="CELERIAC_CAPTION_LANGUAGES",
        description="Languages of captions by preference, separated by commas; then the spoken "
        "one, English, any other.",
    )
    frame_limit: int = Field(
        50,
        validation_alias="CELERIAC_FRAME_LIMIT",
        gt=0,
        le=1000,
        description="Most frames of a video: those with the greatest change.",
    )
    scene_threshold: float = Field(
        0.3,
        validation_alias="CELERIAC_SCENE_THRESHOLD",
        gt=0,
        le=1,
        description="How much of the picture has to change for a new scene, as a ratio.",
    )
    frame_width: int = Field(
        1280,
        validation_alias="CELERIAC_FRAME_WIDTH",
        ge=16,
        le=7680,
        description="Frames are made no wider than this many pixels.",
    )
    speech_engine: Literal["auto", "pocketsphinx", "off"] = Field(
        "auto",
        validation_alias="CELERIAC_SPEECH_ENGINE",
        description="Recognises speech where captions are missing; `auto` takes an engine that is "
        "installed (the extra `speech`), if there is one.",
    )
    speech_memory_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_SPEECH_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that recognises speech.",
    )
    speech_time_s: int = Field(
        1200, validation_alias="CELERIAC_SPEECH_TIME_S", gt=0, description="Of that child."
    )

    @field_validator("caption_languages", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_at_commas(value)


class DocumentSettings(_Group):
    """How documents are read and cut into chunks."""

    chunk_tokens: int = Field(
        512,
        validation_alias="CELERIAC_CHUNK_TOKENS",
        ge=16,
        le=8192,
        description="Most tokens (o200k) of a chunk: what common embedding models take.",
    )
    chunk_overlap_tokens: int = Field(
        64,
        validation_alias="CELERIAC_CHUNK_OVERLAP_TOKENS",
        ge=0,
        description="Most tokens that a chunk repeats of the one before; at most half of a chunk.",
    )
    memory_limit_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_DOCUMENT_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that reads one document.",
    )
    time_limit_s: int = Field(
        600, validation_alias="CELERIAC_DOCUMENT_TIME_S", gt=0, description="Of that child."
    )
    page_limit: int = Field(
        5000,
        validation_alias="CELERIAC_DOCUMENT_PAGES",
        description="A document with more pages is refused.",
        gt=0,
    )
    character_limit: int = Field(
        50_000_000,
        validation_alias="CELERIAC_DOCUMENT_CHARACTERS",
        description="A document with more text is refused.",
        gt=0,
    )

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.chunk_overlap_tokens * 2 > self.chunk_tokens:
            raise ValueError("CELERIAC_CHUNK_OVERLAP_TOKENS is more than half a chunk")
        return self


class LlmSettings(_Group):
    """Which language models are asked, and how."""

    anthropic_api_key: SecretStr | None = Field(
        None, validation_alias="ANTHROPIC_API_KEY", description="Key to ask Claude."
    )
    anthropic_base_url: str = Field(
        "https://api.anthropic.com",
        validation_alias="ANTHROPIC_BASE_URL",
        description="A gateway that speaks the Anthropic Messages API instead.",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias="OPENAI_API_KEY",
        description="Key to ask OpenAI's models, or those of OPENAI_BASE_URL if they want one.",
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        validation_alias="OPENAI_BASE_URL",
        description="Any server that speaks the Chat Completions API instead.",
    )
    default_model: str = Field(
        "claude-sonnet-4-6",
        validation_alias="CELERIAC_LLM_MODEL",
        min_length=1,
        description="The model of jobs that name none.",
    )
    timeout_s: float = Field(
        300.0,
        validation_alias="CELERIAC_LLM_TIMEOUT_S",
        gt=0,
        description="A provider may be silent for this long, in seconds. Only Claude's answers "
        "come bit by bit: all others have to be whole by then.",
    )
    output_tokens: int = Field(
        8192,
        validation_alias="CELERIAC_LLM_OUTPUT_TOKENS",
        ge=256,
        description="Most tokens of one answer: what common models give.",
    )
    reasks: int = Field(
        2,
        validation_alias="CELERIAC_LLM_REASKS",
        ge=0,
        le=10,
        description="How often a model is asked again whose answer does not fit.",
    )
    concurrency: int = Field(
        4,
        validation_alias="CELERIAC_LLM_CONCURRENCY",
        ge=1,
        description="Requests that one worker process has open at one provider.",
    )
    piece_tokens: int = Field(
        8000,
        validation_alias="CELERIAC_LLM_PIECE_TOKENS",
        ge=200,
        description="Longer content is asked about in pieces of so many tokens (o200k): what is "
        "said in the middle of a longer text is easily overlooked.",
    )
    content_characters: int = Field(
        500_000,
        validation_alias="CELERIAC_LLM_CONTENT_CHARACTERS",
        gt=0,
        description="Longer content is refused.",
    )
    image_bytes: int = Field(
        20 * MEBIBYTE,
        validation_alias="CELERIAC_IMAGE_BYTES",
        gt=0,
        description="A larger picture is refused.",
    )
    image_pixels: int = Field(
        50_000_000,
        validation_alias="CELERIAC_IMAGE_PIXELS",
        gt=0,
        description="A picture of more pixels is refused before it is decoded.",
    )

    @field_validator("anthropic_api_key", "openai_api_key", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def is_openai_itself(self) -> bool:
        return self.openai_base_url.startswith("https://api.openai.com")


class VideoSettings(_Group):
    """How videos of articles are made."""

    pubmed_url: str = Field(
        "https://eutils.ncbi.nlm.nih.gov/entrez/eutils",
        validation_alias="PUBMED_BASE_URL",
        description="NCBI's E-utilities, or a mirror of them.",
    )
    pubmed_api_key: SecretStr | None = Field(
        None,
        validation_alias="NCBI_API_KEY",
        description="Lets all workers together ask 10 times a second instead of 3.",
    )
    pubmed_email: str | None = Field(
        None,
        validation_alias="NCBI_EMAIL",
        description="Whom NCBI may write to before it locks us out.",
    )
    command: str | None = Field(
        None,
        validation_alias="VIDEO_PIPELINE_COMMAND",
        description="A program, with arguments as a shell has them, that makes the video instead.",
    )
    voice: str = Field(
        "en",
        validation_alias="CELERIAC_VIDEO_VOICE",
        description="espeak-ng's voice, where espeak-ng is installed. Empty: captions only.",
    )
    words: int = Field(
        400,
        validation_alias="CELERIAC_VIDEO_WORDS",
        ge=20,
        le=5000,
        description="Most words of the abstract that a video tells: 400 take three minutes.",
    )

    @field_validator("pubmed_api_key", "pubmed_email", "command", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


class WebsiteSettings(_Group):
    """How far a crawl of a web site may go, whatever its job asks for."""

    page_limit: int = Field(
        2000,
        validation_alias="CELERIAC_WEBSITE_PAGES",
        gt=0,
        description="Most pages that one job requests.",
    )
    depth_limit: int = Field(
        20,
        validation_alias="CELERIAC_WEBSITE_DEPTH",
        ge=0,
        description="Most links between the first page and any other.",
    )
    delay_s: float = Field(
        0.5,
        validation_alias="CELERIAC_WEBSITE_DELAY_S",
        ge=0,
        description="Pause between two requests to one host, in seconds; a longer `Crawl-delay` of "
        "its robots.txt holds instead.",
    )
    page_limit_bytes: int = Field(
        5 * MEBIBYTE,
        validation_alias="CELERIAC_WEBSITE_PAGE_BYTES",
        gt=0,
        description="A larger page is left out.",
    )
    page_time_s: float = Field(
        60.0,
        validation_alias="CELERIAC_WEBSITE_PAGE_S",
        gt=0,
        description="A page that takes longer to arrive is left out.",
    )
    reading_time_s: int = Field(
        20,
        validation_alias="CELERIAC_WEBSITE_READING_S",
        gt=0,
        description="Processor time that reading one page may take.",
    )
    time_limit_s: float = Field(
        20 * 60.0,
        validation_alias="CELERIAC_WEBSITE_S",
        gt=0,
        description="A crawl ends after this with the pages that it has: within the limit of its "
        "queue, so that they are not lost.",
    )
    memory_limit_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_WEBSITE_MEMORY_BYTES",
        ge=256 * MEBIBYTE,
        description="Address space of the child process that reads the pages of one crawl.",
    )


class PdfSettings(_Group):
    """How the pages of PDF files are read, and how much of them."""

    memory_limit_bytes: int = Field(
        1536 * MEBIBYTE,
        validation_alias="CELERIAC_PDF_MEMORY_BYTES",
        ge=512 * MEBIBYTE,
        description="Address space of the child process that reads one PDF.",
    )
    time_limit_s: int = Field(
        1200,
        validation_alias="CELERIAC_PDF_TIME_S",
        gt=0,
        description="Time of that child: less than the time limit of the queue `pdf`.",
    )
    page_limit: int = Field(
        5000,
        validation_alias="CELERIAC_PDF_PAGES",
        gt=0,
        description="A PDF with more pages is refused.",
    )
    character_limit: int = Field(
        50_000_000,
        validation_alias="CELERIAC_PDF_CHARACTERS",
        gt=0,
        description="A PDF with more text is refused.",
    )
    object_limit: int = Field(
        200_000,
        validation_alias="CELERIAC_PDF_PAGE_OBJECTS",
        gt=0,
        description="A PDF with more objects (texts, paths, pictures) on one page is refused.",
    )
    image_limit: int = Field(
        500,
        validation_alias="CELERIAC_PDF_IMAGES",
        ge=0,
        description="Most pictures that are kept of one PDF; further ones are counted.",
    )
    image_bytes_limit: int = Field(
        256 * MEBIBYTE,
        validation_alias="CELERIAC_PDF_IMAGE_BYTES",
        ge=0,
        description="Most bytes that they have together; further ones are counted.",
    )
    image_pixel_limit: int = Field(
        100_000_000,
        validation_alias="CELERIAC_PDF_IMAGE_PIXELS",
        gt=0,
        description="A PDF with a larger picture is refused, where pictures are looked at.",
    )
    inline_characters: int = Field(
        100_000,
        validation_alias="CELERIAC_PDF_INLINE_CHARACTERS",
        ge=0,
        description="A longer text is an artifact and not part of the result.",
    )
    has_cache: bool = Field(
        default=True,
        validation_alias="CELERIAC_PDF_CACHE",
        description="Keep what was recognised in CACHE_DIR, for the same file asked for again.",
    )
    ocr_languages: str = Field(
        "eng",
        validation_alias="CELERIAC_OCR_LANGUAGES",
        pattern=r"^\w+(\+\w+)*$",
        description="What tesseract reads, as it names them (`eng+deu`), where a job does not say.",
    )
    ocr_dpi: int = Field(
        300,
        validation_alias="CELERIAC_OCR_DPI",
        ge=70,
        le=600,
        description="How finely a page is drawn for recognition, in dots an inch.",
    )
    tessdata_dir: Path | None = Field(
        None,
        validation_alias="CELERIAC_TESSDATA_DIR",
        description="Folder of `*.traineddata`; when not set, English alone, from its wheel.",
    )


class JobSettings(_Group):
    """How jobs are leased, retried and followed."""

    lease_s: float = Field(
        30.0,
        validation_alias="CELERIAC_LEASE_S",
        gt=0,
        description="A worker that did not renew for this long is taken for dead. Three missed "
        "renewals: long enough for a stalled disk, short enough to be back within a minute.",
    )
    max_attempts: int = Field(
        4, validation_alias="CELERIAC_MAX_ATTEMPTS", ge=1, description="One run and three retries."
    )
    max_deliveries: int = Field(
        5,
        validation_alias="CELERIAC_MAX_DELIVERIES",
        ge=1,
        description="A stage whose worker died this often is poison and goes to the dead letters.",
    )
    retry_base_s: float = Field(
        60.0,
        validation_alias="CELERIAC_RETRY_BASE_S",
        description="Pause before the first retry, in seconds. It doubles with each one.",
        ge=0,
    )
    retry_max_s: float = Field(
        3600.0,
        validation_alias="CELERIAC_RETRY_MAX_S",
        description="Longest pause before a retry, in seconds.",
        ge=0,
    )
    reconcile_interval_s: float = Field(
        1.0,
        validation_alias="CELERIAC_RECONCILE_S",
        description="Pause between two rounds of the reconciler, in seconds.",
        gt=0,
    )
    publish_grace_s: float = Field(
        30.0,
        validation_alias="CELERIAC_PUBLISH_GRACE_S",
        gt=0,
        description="A queued job older than this is looked for in Redis and published again "
        "when it is not there.",
    )
    events_expire_s: int = Field(
        24 * 3600,
        validation_alias="CELERIAC_EVENTS_EXPIRE_S",
        description="The events of a job are kept for this long after the last one.",
        gt=0,
    )
    events_length: int = Field(
        1000,
        validation_alias="CELERIAC_EVENTS_LENGTH",
        description="Most events that are kept of one job.",
        gt=0,
    )


class NotifySettings(_Group):
    """Where notifications and the news of ended jobs go."""

    # A secret that is mistyped is not to be printed with the error.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        validation_alias="NOTIFY_WEBHOOK_SECRETS",
        description="`whsec_...` (base64 of 24 to 64 bytes), separated by commas. Each signs every "
        "webhook: put a new one first, and take the old one away when the receivers know it.",
        json_schema_extra={"writeOnly": True},
    )
    webhook_url: AnyHttpUrl | None = Field(
        None,
        validation_alias="NOTIFY_WEBHOOK_URL",
        description="Notifications go there when they name no address of their own.",
    )
    email_to: str | None = Field(
        None,
        validation_alias="NOTIFY_EMAIL_TO",
        description="Notifications go to this mailbox when they name no address of their own.",
    )
    channels: Annotated[dict[str, tuple[str, ...]], NoDecode] = Field(
        {},
        validation_alias="NOTIFY_CHANNELS",
        description="`type=webhook+email`, separated by commas: which channels carry a type of "
        "notification. `*` is every other type. Without it, each channel that has an address.",
    )
    templates_dir: Path | None = Field(
        None,
        validation_alias="NOTIFY_TEMPLATES_DIR",
        description="Folder with `<type>.subject`, `<type>.txt` and `<type>.html`, or `default.*`, "
        "for e-mail instead of our own.",
    )
    callback_tasks: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="CELERIAC_CALLBACK_TASKS",
        description="Celery tasks, separated by commas, that a job may name as what follows it; "
        "`shop.*` stands for all that begin so. None when not set.",
    )
    smtp_host: str | None = Field(
        None, validation_alias="SMTP_HOST", description="Mail server. No e-mail when not set."
    )
    smtp_port: int | None = Field(
        None,
        validation_alias="SMTP_PORT",
        description="Its port; 587, 465 or 25 by `SMTP_SECURITY` when not set.",
        gt=0,
        le=65535,
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        validation_alias="SMTP_SECURITY",
        description="`starttls` (never goes on without), `tls` from the first byte, or `none`.",
    )
    smtp_username: str | None = Field(
        None, validation_alias="SMTP_USERNAME", description="No login when not set."
    )
    smtp_password: SecretStr = Field(
        SecretStr(""), validation_alias="SMTP_PASSWORD", description="Of that user."
    )
    smtp_from: str = Field(
        "Celeriac <celeriac@localhost>",
        validation_alias="SMTP_FROM",
        description="Sender of e-mail, with or without a name.",
    )
    smtp_ca_file: Path | None = Field(
        None,
        validation_alias="SMTP_CA_FILE",
        description="Authorities in PEM that may vouch for the mail server, instead of the "
        "system's.",
    )
    smtp_timeout_s: float = Field(
        10.0,
        validation_alias="SMTP_TIMEOUT_S",
        description="The mail server may be silent for this long, in seconds.",
        gt=0,
    )

    @field_validator("webhook_secrets", "callback_tasks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_at_commas(value)

    @field_validator("webhook_secrets")
    @classmethod
    def _are_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            webhook_key(secret)
        return value

    @field_validator("channels", mode="before")
    @classmethod
    def _parse_channels(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = (entry.partition("=") for entry in value.split(",") if entry.strip())
        return {
            kind.strip(): tuple(name.strip() for name in names.split("+") if name.strip())
            for kind, _, names in pairs
        }

    @field_validator("channels")
    @classmethod
    def _are_channels(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        unknown = {name for names in value.values() for name in names} - {"webhook", "email"}
        if unknown:
            raise ValueError(f"no channel {', '.join(sorted(unknown))}: webhook, email")
        return value


def webhook_key(secret: SecretStr) -> bytes:
    """The bytes that a `whsec_...` stands for. Raises ValueError, which does not repeat it."""
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(WEBHOOK_SECRET_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("a webhook secret is `whsec_` and the base64 of 24 to 64 bytes")
    return key


class WorkerSettings(_Group):
    """How worker processes live and end."""

    child_memory_limit_bytes: int = Field(
        1024 * MEBIBYTE,
        validation_alias="CELERIAC_CHILD_MEMORY_BYTES",
        gt=0,
        description="A prefork pool's child that has grown past this is replaced after its task.",
    )
    soft_shutdown_s: float = Field(
        10.0,
        validation_alias="CELERIAC_SOFT_SHUTDOWN_S",
        ge=0,
        description="A worker that is to end at once (SIGQUIT) lets its tasks go on for this long.",
    )
    eta_task_limit: int = Field(
        1000,
        validation_alias="CELERIAC_ETA_TASK_LIMIT",
        gt=0,
        description="Plain tasks with an ETA that one worker holds in memory. Jobs have none.",
    )
    time_limits: Annotated[dict[str, tuple[float, float]], NoDecode] = Field(
        {},
        validation_alias="CELERIAC_TIME_LIMITS",
        description="`queue=soft/hard`, separated by commas, in seconds: instead of the limits "
        "that a queue is declared with.",
    )
    liveness_file: Path | None = Field(
        None,
        validation_alias="CELERIAC_LIVENESS_FILE",
        description="Touched every few seconds while the main loop of a worker, or of beat, turns.",
    )

    @field_validator("time_limits", mode="before")
    @classmethod
    def _parse_limits(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = (entry.partition("=") for entry in value.split(",") if entry.strip())
        return {queue.strip(): tuple(limits.split("/")) for queue, _, limits in pairs}

    @field_validator("time_limits")
    @classmethod
    def _in_order(cls, value: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for queue, (soft_s, hard_s) in value.items():
            if not 0 < soft_s <= hard_s:
                raise ValueError(f"the soft limit of {queue!r} is above 0 and at most the hard one")
        return value


class ApiSettings(_Group):
    """Where the API listens, and where its clients find it."""

    host: str = Field(
        "127.0.0.1", validation_alias="CELERIAC_HOST", description="Address to listen on."
    )
    port: int = Field(
        8000, validation_alias="CELERIAC_PORT", description="Port to listen on.", ge=0, le=65535
    )
    url: str = Field(
        "http://127.0.0.1:8000",
        validation_alias="CELERIAC_URL",
        description="The API that the command line talks to.",
    )
    is_insecure: bool = Field(
        default=False,
        validation_alias="CELERIAC_INSECURE",
        description="Answer others than this machine although no key guards the API, because "
        "something else does.",
    )
    hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="CELERIAC_API_HOSTS",
        description="Names, separated by commas, that the API is asked by besides those of the "
        "loopback: behind a proxy on this machine, say.",
    )
    leaving_file: Path | None = Field(
        None,
        validation_alias="CELERIAC_LEAVING_FILE",
        description="While this file is there, the API ends each connection after its answer, so "
        "that clients go to another replica before this one is gone.",
    )

    @field_validator("hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_at_commas(value)


class ScheduleSetting(BaseModel):
    """One schedule as the setting has it: what is left out stays as the pipeline says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str | None = None
    """The kind of job; needed for a schedule that no pipeline has."""
    params: dict[str, Any] | None = None  # as the schema of the kind says
    cron: str | None = None
    timezone: str | None = None


class ScheduleSettings(_Group):
    """Jobs that begin by themselves."""

    schedules: Annotated[dict[str, ScheduleSetting | Literal["off"]], NoDecode] = Field(
        {},
        validation_alias="CELERIAC_SCHEDULES",
        description="A JSON object of schedules by name, each an object of `cron`, `timezone`, "
        '`params` and `kind`, or `"off"`: changes those of the pipelines and adds others.',
    )

    @field_validator("schedules", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) and value.strip() else value or {}


class PipelineSettings(_Group):
    """Pipelines from outside the package."""

    modules: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="CELERIAC_PIPELINES",
        description="Modules, separated by commas, whose `PIPELINE` joins the registry.",
    )

    @field_validator("modules", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _split_at_commas(value)


@dataclass(frozen=True)
class Settings:
    """All groups of one process, each read when first asked for."""

    @cached_property
    def broker(self) -> BrokerSettings:
        return BrokerSettings()

    @cached_property
    def database(self) -> DatabaseSettings:
        return DatabaseSettings()

    @cached_property
    def files(self) -> FileSettings:
        return FileSettings()

    @cached_property
    def fetch(self) -> FetchSettings:
        return FetchSettings()

    @cached_property
    def sites(self) -> SiteSettings:
        return SiteSettings()

    @cached_property
    def footage(self) -> FootageSettings:
        return FootageSettings()

    @cached_property
    def documents(self) -> DocumentSettings:
        return DocumentSettings()

    @cached_property
    def llm(self) -> LlmSettings:
        return LlmSettings()

    @cached_property
    def video(self) -> VideoSettings:
        return VideoSettings()

    @cached_property
    def websites(self) -> WebsiteSettings:
        return WebsiteSettings()

    @cached_property
    def pdf(self) -> PdfSettings:
        return PdfSettings()

    @cached_property
    def jobs(self) -> JobSettings:
        return JobSettings()

    @cached_property
    def notify(self) -> NotifySettings:
        return NotifySettings()

    @cached_property
    def worker(self) -> WorkerSettings:
        return WorkerSettings()

    @cached_property
    def api(self) -> ApiSettings:
        return ApiSettings()

    @cached_property
    def schedules(self) -> ScheduleSettings:
        return ScheduleSettings()

    @cached_property
    def pipelines(self) -> PipelineSettings:
        return PipelineSettings()
