"""An application that is not ours, on an empty broker, and a console beside it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.foreign import beside, failing_app
from tests.integration.foreign.beside import StartConsole
from tests.integration.processes import Process, Started


@pytest.fixture
def send(redis_url: str) -> Callable[..., str]:
    """Publishes a task as any client would; returns its id."""

    def publish(name: str, *args: object, **options: object) -> str:
        with failing_app.app.connection_for_write(redis_url) as connection:
            return str(failing_app.app.send_task(name, args, connection=connection, **options).id)

    return publish


@pytest.fixture
def worker(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """`worker("one", "celery", concurrency=2)` -> a ready worker `one@shop`."""
    environment = {**os.environ, "SHOP_BROKER_URL": redis_url, "C_FORCE_ROOT": "1"}
    with Started(folder=tmp_path, environment=environment) as started:

        def start(name: str, queue: str, *, pool: str = "threads", concurrency: int = 2) -> Process:
            return started.worker(
                (queue,),
                app=beside.APP,
                pool=pool,
                concurrency=concurrency,
                arguments=("--hostname", f"{name}@shop"),
            )

        yield start


@pytest.fixture
def console(redis_url: str, tmp_path: Path) -> Iterator[StartConsole]:
    """`console("--read-only")` -> a client of its pages, and its process."""
    with beside.consoles(redis_url, tmp_path) as start:
        yield start
