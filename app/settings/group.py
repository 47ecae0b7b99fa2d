"""The base of all groups of settings, and the parsing of environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from app.errors import InvalidInput

MEBIBYTE = 1024 * 1024

SECRETS_DIR = "CELERIAC_SECRETS_DIR"
DEFAULT_SECRETS_DIR = Path("/run/secrets/celeriac")
"""A folder of files, each with the value of the setting it is named after. Where it is not there,
all settings come from the environment. Child processes do not inherit files, and lists of processes
do not show them."""


class Group(BaseSettings):
    """Settings of one concern. Frozen; each field names the environment variable, or the file of
    the secrets folder, that has it. The variable takes precedence.

    Raises InvalidInput, which names the variables and does not contain their values: some are
    secrets.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        # A mistyped value may be a secret, or in the place of one.
        hide_input_in_errors=True,
    )

    def __init__(self, **given: Any) -> None:  # values of several types
        try:
            super().__init__(**given)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False, include_context=False)
            raise InvalidInput("; ".join(_in_words(one) for one in wrong)) from None
        except SettingsError as error:
            raise InvalidInput(str(error)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder = secrets_dir()
        files = [SecretsSettingsSource(settings_cls, folder)] if folder.is_dir() else []
        return (init_settings, env_settings, *files)


def secrets_dir() -> Path:
    """Where settings are looked for in files."""
    return Path(os.environ.get(SECRETS_DIR) or DEFAULT_SECRETS_DIR)


def _in_words(wrong: Mapping[str, Any]) -> str:  # pydantic's error details
    variable, *path = (str(step) for step in wrong["loc"])
    place = f" at {'.'.join(path)}" if path else ""
    reason = str(wrong["msg"]).removeprefix("Value error, ")
    return f"the setting {variable} cannot be used{place}: {reason}"


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
