"""A web site, a language model, a library, and works to work at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from celery import Celery

from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform
from app.settings import Settings
from app.testing import RecordedWork
from tests.sites import models, pubmed, server
from tests.sites.models import ModelServer
from tests.sites.pubmed import Library
from tests.sites.server import Site


class OpenWork(Protocol):
    """Opens work; all of one test share a folder, like the attempts of a job."""

    def __call__(self, **environment: str) -> RecordedWork: ...


@pytest.fixture
def site() -> Iterator[Site]:
    with server.serve() as found:
        yield found


@pytest.fixture
def temp_dir(tmp_path: Path) -> Path:
    """TEMP_DIR of the works."""
    return tmp_path / "temp"


@pytest.fixture
def open_work(
    sqlite_url: str, tmp_path: Path, temp_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenWork]:
    platforms: list[Platform] = []

    def open_(**environment: str) -> RecordedWork:
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
        return RecordedWork(platform=platform)

    yield open_
    for platform in platforms:
        platform.close()


@pytest.fixture(scope="module")
def model_server() -> Iterator[ModelServer]:
    """A language model that says what the test wants."""
    with models.serve() as found:
        yield found


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    """A PubMed."""
    with pubmed.serve() as found:
        yield found
