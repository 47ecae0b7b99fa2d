"""Signatures of the messages between our own processes."""

from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from app.settings.group import AT_COMMAS, Group

SHORTEST_KEY = 32
"""Characters; of a random text, some 128 bits and more."""


class MessageSettings(Group):
    """Signatures of the messages between our own processes."""

    keys: Annotated[tuple[SecretStr, ...], NoDecode, AT_COMMAS] = Field(
        (),
        validation_alias="CELERIAC_MESSAGE_KEYS",
        description="Random texts of at least 32 characters, separated by commas, newest first: "
        "the same for API, workers and beat. Each signs every message, and each is accepted. To "
        "rotate, put the new one first everywhere, then remove the old one everywhere. Without "
        "keys, nothing is signed.",
        json_schema_extra={"writeOnly": True},
    )
    refuses_plain_tasks: bool = Field(
        default=False,
        validation_alias="CELERIAC_REFUSE_PLAIN_TASKS",
        description="Refuse tasks that a process without the message keys has called. Jobs do not "
        "depend on it. Needs `CELERIAC_MESSAGE_KEYS`.",
    )

    @field_validator("keys")
    @classmethod
    def _are_long(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < SHORTEST_KEY for key in value):
            raise ValueError(f"a message key has at least {SHORTEST_KEY} characters")
        return value

    @field_validator("refuses_plain_tasks")
    @classmethod
    def _has_keys(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  # pydantic's
        if value and info.data.get("keys") == ():
            raise ValueError("it needs CELERIAC_MESSAGE_KEYS")
        return value
