"""Notifications: webhooks with their secrets, e-mail, callbacks."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from app.settings.group import AT_COMMAS, Group, Names

WEBHOOK_SECRET_PREFIX = "whsec_"


class NotifySettings(Group):
    """Targets of notifications and of the events of finished jobs."""

    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode, AT_COMMAS] = Field(
        (),
        validation_alias="NOTIFY_WEBHOOK_SECRETS",
        description="`whsec_...` (base64 of 24 to 64 bytes), separated by commas. Each signs "
        "every webhook. To rotate, put the new one first, and remove the old one "
        "once the receivers have the new one.",
        json_schema_extra={"writeOnly": True},
    )
    webhook_url: AnyHttpUrl | None = Field(
        None,
        validation_alias="NOTIFY_WEBHOOK_URL",
        description="Default webhook address of notifications.",
    )
    email_to: str | None = Field(
        None,
        validation_alias="NOTIFY_EMAIL_TO",
        description="Default mailbox of notifications.",
    )
    channels: Annotated[dict[str, tuple[str, ...]], NoDecode] = Field(
        {},
        validation_alias="NOTIFY_CHANNELS",
        description="`type=webhook+email`, separated by commas: the channels of a type of "
        "notification. `*` is every other type. Default: each channel that has an"
        " address.",
    )
    templates_dir: Path | None = Field(
        None,
        validation_alias="NOTIFY_TEMPLATES_DIR",
        description="Folder with `<type>.subject`, `<type>.txt` and `<type>.html`, or "
        "`default.*`, to replace the built-in e-mail templates.",
    )
    callback_tasks: Names = Field(
        (),
        validation_alias="CELERIAC_CALLBACK_TASKS",
        description="Celery tasks, separated by commas, that callbacks may name; `shop.*` "
        "allows all with that prefix. Default: none.",
    )
    smtp_host: str | None = Field(
        None, validation_alias="SMTP_HOST", description="Mail server. Without it, no e-mail."
    )
    smtp_port: int | None = Field(
        None,
        validation_alias="SMTP_PORT",
        description="Port of the mail server. Default: 587, 465 or 25, depending on "
        "`SMTP_SECURITY`.",
        gt=0,
        le=65535,
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        validation_alias="SMTP_SECURITY",
        description="`starttls` (required, no fallback), `tls` from the first byte, or `none`.",
    )
    smtp_username: str | None = Field(
        None,
        validation_alias="SMTP_USERNAME",
        description="User of the mail server. Without it, no login.",
    )
    smtp_password: SecretStr = Field(
        SecretStr(""), validation_alias="SMTP_PASSWORD", description="Password of that user."
    )
    smtp_from: str = Field(
        "Celeriac <celeriac@localhost>",
        validation_alias="SMTP_FROM",
        description="Sender of e-mail, with or without a name.",
    )
    smtp_ca_file: Path | None = Field(
        None,
        validation_alias="SMTP_CA_FILE",
        description="Trusted authorities of the mail server in PEM, instead of the system's.",
    )
    smtp_timeout_s: float = Field(
        10.0,
        validation_alias="SMTP_TIMEOUT_S",
        description="A request to the mail server fails after this much silence, in seconds.",
        gt=0,
    )

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
