"""A web site, and desks to work at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform
from app.settings import Settings
from tests.integration.pipelines.desk import Desk, OpenDesk
from tests.sites import server
from tests.sites.server import Site


@pytest.fixture
def site() -> Iterator[Site]:
    with server.serve() as found:
        yield found


@pytest.fixture
def temp_dir(tmp_path: Path) -> Path:
    """TEMP_DIR of the desks."""
    return tmp_path / "temp"


@pytest.fixture
def open_desk(
    sqlite_url: str, tmp_path: Path, temp_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenDesk]:
    platforms: list[Platform] = []

    def open_(**environment: str) -> Desk:
        settings = {
            "DATABASE_URL": sqlite_url,
            "TEMP_DIR": str(temp_dir),
            "STORAGE_DIR": str(tmp_path / "storage"),
            "CACHE_DIR": str(tmp_path / "cache"),
            "CELERIAC_ALLOW_PRIVATE_ADDRESSES": "true",
            "CELERIAC_FETCH_TIMEOUT_S": "5",
            **environment,
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        platform = Platform(settings=Settings(), registry=Registry([]), celery=Celery())
        platforms.append(platform)
        return Desk(platform=platform)

    yield open_
    for platform in platforms:
        platform.close()
