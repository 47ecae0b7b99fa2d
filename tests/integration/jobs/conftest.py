"""The test pipeline: on a platform in this process over each database, and on a running one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import celery_app
from app.jobs.model.clock import Clock
from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform, of
from app.jobs.service import Jobs
from app.settings import Settings
from tests import probe
from tests.integration import running_platform
from tests.integration.environments import settings_of
from tests.integration.running_platform import RunningPlatform

PROBE = "tests.probe.application"
PROBES = Registry([probe.PIPELINE])


@pytest.fixture
def clock() -> Clock:
    """The platform's clock; a module of tests that turn it has its own."""
    return Clock()


@pytest.fixture
def platform(
    redis_url: str,
    database_url: str,
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    """The platform of a client: nobody works here."""
    settings = settings_of(tmp_path, redis_url=redis_url, database_url=database_url)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with opened(Settings(), PROBES, clock=clock) as found:
        yield found


@pytest.fixture
def jobs(platform: Platform) -> Jobs:
    return platform.jobs


@pytest.fixture
def running(environment: dict[str, str], tmp_path: Path) -> Iterator[RunningPlatform]:
    """The test pipeline on Valkey and SQLite, for this test alone. No worker runs yet."""
    with running_platform.opened(environment, tmp_path, registry=PROBES, app=PROBE) as found:
        yield found


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[RunningPlatform]:
    """The same for all tests of a module, with a worker of threads and beat."""
    folder = tmp_path_factory.mktemp("standing")
    with running_platform.standing(folder, sqlite_template, registry=PROBES, app=PROBE) as found:
        found.beat()
        found.worker(concurrency=8)
        yield found


@contextmanager
def opened(
    settings: Settings, registry: Registry, *, clock: Clock | None = None
) -> Iterator[Platform]:
    platform = of(celery_app.create(settings, registry, clock=clock))
    yield platform
    platform.close()
    platform.celery.close()
