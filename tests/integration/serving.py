"""The real API on a port of its own, in a thread of the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import uvicorn

from app import celery_app
from app.api import application
from app.api.timed_protocol import TimedProtocol
from app.jobs import platform as platforms
from app.jobs.model.pipeline import Registry
from app.jobs.platform import Platform
from app.pipelines import registry
from app.settings import Settings
from tests.waiting import eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server, a client of it, and the platform behind it."""

    url: str
    http: httpx2.Client
    platform: Platform


def platform_from_environment(pipelines: Registry | None = None) -> Platform:
    """With these pipelines, by default all that the settings name."""
    settings = settings_of_now()
    found = registry.discover(settings.pipelines.modules) if pipelines is None else pipelines
    return platforms.of(celery_app.create(settings, found))


def settings_of_now() -> Settings:
    """Every group is read: what the environment says later does not matter."""
    settings = Settings()
    settings.check()
    return settings


@contextmanager
def serve(platform: Platform, *, port: int = 0) -> Iterator[Server]:
    """Serve until the block ends; open requests are cut then."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        application.create_app(platform),
        log_level="warning",
        timeout_graceful_shutdown=1,
        http=TimedProtocol,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        eventually(lambda: server.started, why="the server listens")
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx2.Client(base_url=url, timeout=30) as http:
            yield Server(url=url, http=http, platform=platform)
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()
