"""A platform in this process, over each database, and the test pipeline."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import celery_app
from app.jobs.pipeline import Registry
from app.jobs.platform import Platform, of
from app.jobs.service import Jobs
from app.settings import Settings
from tests import probe
from tests.integration.conftest import TEST_SETTINGS


@pytest.fixture
def platform(
    redis_url: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """The platform of a client: nobody works here."""
    settings = {
        "CELERY_BROKER_URL": redis_url,
        "DATABASE_URL": database_url,
        "TEMP_DIR": str(tmp_path / "temp"),
        "STORAGE_DIR": str(tmp_path / "storage"),
        **TEST_SETTINGS,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    opened = of(celery_app.create(Settings(), Registry([probe.PIPELINE])))
    yield opened
    opened.close()
    opened.celery.close()


@pytest.fixture
def jobs(platform: Platform) -> Jobs:
    return Jobs(platform)
