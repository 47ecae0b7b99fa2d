"""Checks of our own platform: its settings and its database."""

from collections.abc import Iterator

from app.doctor.checks import CheckRegistry
from app.doctor.snapshot import Part, Snapshot, is_loopback

registry = CheckRegistry()


@registry.warning(
    "setting-unknown",
    Part.PLATFORM,
    why="The platform ignores this variable, so what it should change has its default.",
    remedy="Correct its name: docs/reference/values.md lists all settings",
)
def setting_unknown(snapshot: Snapshot) -> Iterator[str]:
    for one in snapshot.platform.unknown_settings:
        hint = f"; there is {one.nearest}" if one.nearest else ""
        yield f"there is no setting {one.name}{hint}"


@registry.error(
    "database-not-ready",
    Part.PLATFORM,
    why="Without its tables the API accepts no job and workers run none.",
    remedy="celeriac db upgrade, with the DATABASE_URL of API, beat and workers",
)
def database_not_ready(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.platform.database_problem:
        yield f"the database cannot be used: {snapshot.platform.database_problem}"


@registry.warning(
    "messages-unsigned",
    Part.PLATFORM,
    why="Whoever can write to Redis can run jobs in the name of others.",
    remedy="Set CELERIAC_MESSAGE_KEYS of API, beat and workers to `openssl rand -hex 32`",
)
def messages_unsigned(snapshot: Snapshot) -> Iterator[str]:
    if not is_loopback(snapshot.address) and not snapshot.platform.signs_messages:
        yield f"the broker is at {snapshot.address}, and CELERIAC_MESSAGE_KEYS is not set"
