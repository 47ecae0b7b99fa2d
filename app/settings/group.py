"""What every group of settings is, and how text of the environment becomes values."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MEBIBYTE = 1024 * 1024


class Group(BaseSettings):
    """Settings of one concern. Frozen; each field names the environment variable that has it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def _split_at_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def _none_for_empty(value: object) -> object:
    return None if value == "" else value


AT_COMMAS = BeforeValidator(_split_at_commas)
"""A list is text with commas. With `NoDecode`, else the library reads it as JSON."""

NONE_IF_EMPTY = BeforeValidator(_none_for_empty)
"""An empty variable is one that is not set, as Compose and manifests have them."""

Names = Annotated[tuple[str, ...], NoDecode, AT_COMMAS]
"""Names separated by commas."""
