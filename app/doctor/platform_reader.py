"""Reads what our own platform is set up with: the environment, the secrets folder, the database."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import AliasChoices
from sqlalchemy import text

from app import settings
from app.doctor.snapshot import PlatformFacts, UnknownSetting
from app.errors import StorageUnavailable
from app.settings import Settings
from app.settings.group import SECRETS_DIR, secrets_dir
from app.storage import engine, migrate

PREFIX = "CELERIAC_"

OF_COMMANDS = frozenset(
    {
        SECRETS_DIR,
        *("CELERIAC_API_KEY", "CELERIAC_DATA_DIR", "CELERIAC_HOST", "CELERIAC_INSECURE"),
        *("CELERIAC_DOCTOR_BROKER_URL", "CELERIAC_DRY_RUN_BROKER_URL", "CELERIAC_PYTHON"),
        "CELERIAC_CONSOLE_BROKER_URL",
        *("CELERIAC_LEASE_NAMESPACE", "CELERIAC_NAMESPACE", "CELERIAC_PORT", "CELERIAC_URL"),
    }
)
"""Variables of commands, which are in no group of settings."""

_OF_SERVICES = re.compile(r"_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")
"""Ends of the variables that Kubernetes makes for Services, for example those of this chart."""


def read(environ: Mapping[str, str], found: Settings) -> PlatformFacts:
    """The facts of this process' platform. Raises InvalidInput for settings that cannot be used."""
    return PlatformFacts(
        unknown_settings=tuple(_unknown({*environ, *_files()})),
        database_problem=database_problem(found.database.url.get_secret_value()),
        signs_messages=bool(found.messages.keys),
    )


def known_settings() -> set[str]:
    """Every variable that the platform reads."""
    names = set(OF_COMMANDS)
    for group in settings.groups():
        for info in group.model_fields.values():
            alias = info.validation_alias
            names |= set(map(str, alias.choices if isinstance(alias, AliasChoices) else [alias]))
    return names


def _files() -> Iterable[str]:
    folder = secrets_dir()
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _unknown(names: Iterable[str]) -> Iterable[UnknownSetting]:
    known = known_settings()
    by_word = {one.removeprefix(PREFIX): one for one in known}
    for name in sorted(names):
        is_ours = name.startswith(PREFIX) and not _OF_SERVICES.search(name)
        if is_ours and name not in known:
            # Without the prefix, which would make all names alike.
            nearest = difflib.get_close_matches(name.removeprefix(PREFIX), by_word, n=1)
            yield UnknownSetting(name=name, nearest=by_word[nearest[0]] if nearest else "")


def database_problem(url: str) -> str:
    """Why the platform cannot use its database; empty if it can."""
    parsed = engine.parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        return "there is no database yet"
    database = engine.Database(url, pool_size=1)
    try:
        with database.read() as connection:
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except StorageUnavailable as error:
        return str(error)
    finally:
        database.close()
    if revision != migrate.head():
        return f"its schema is {revision}, this version needs {migrate.head()}"
    return ""
