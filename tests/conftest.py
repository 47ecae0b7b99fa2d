"""What every test gets: an environment in which the developer's own settings do not show."""

import os

import pytest

OURS = (
    *("CELERIAC_", "CELERY_", "DATABASE_", "REDIS_", "STORAGE_", "TEMP_DIR", "MONGODB_", "OTEL_"),
    *("NOTIFY_", "SMTP_", "CACHE_DIR"),
)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the test alone."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
