"""What the children of `celeriac up` find in their environment."""

from collections.abc import Mapping
from pathlib import Path

from app.local.data_dir import DataDir

ROOT = Path(__file__).parents[3]
"""The folder that holds our package."""


def given_broker_url(environment: Mapping[str, str]) -> str | None:
    """The broker that the user names, as `settings.BrokerSettings` reads it."""
    return environment.get("CELERY_BROKER_URL") or environment.get("REDIS_URL") or None


def children(
    environment: Mapping[str, str],
    *,
    data_dir: DataDir,
    broker_url: str,
    sentinel_master: str = "",
    api_url: str | None,
) -> dict[str, str]:
    """Ours, with everything that the user has not set lying in the data folder.

    Without an API the application is somebody else's: it gets the broker, and nothing of ours.
    """
    always = {"CELERY_BROKER_URL": broker_url, "PYTHONUNBUFFERED": "1"}
    if sentinel_master:
        always["CELERIAC_SENTINEL_MASTER"] = sentinel_master
    if api_url is None:
        return {**environment, **always}
    defaults = {
        "DATABASE_URL": f"sqlite:///{data_dir.database}",
        "TEMP_DIR": str(data_dir.temp),
        "STORAGE_DIR": str(data_dir.storage),
        "CACHE_DIR": str(data_dir.cache),
        "CELERIAC_URL": api_url,
        # Tasks have had their time already when a worker is told to end at once.
        "CELERIAC_SOFT_SHUTDOWN_S": "0",
    }
    return {**defaults, **environment, **always}
