"""A stock Celery application on real Valkey, and the link to it that is tested."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from celery import Celery

from app.broker.connections.address import SentinelEntry, parse_address
from app.broker.link import Link
from app.broker.model import NodeName
from app.errors import BrokerUnreachable
from tests.integration import processes
from tests.integration.broker import stock
from tests.integration.processes import Process, Started

T = TypeVar("T")

LOADED_ANSWER_LIMIT_S = 60.0
"""The default of 2 s is too short for a live worker on a machine that is busy with other tests."""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Somebody's application: publishes in this process, works in others."""

    url: str
    prefix: str
    started: Started
    folder: Path
    celery: Celery = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "celery", stock.build_app(self.environment()))

    def environment(self, **more: str) -> dict[str, str]:
        return {"STOCK_BROKER_URL": self.url, "STOCK_PREFIX": self.prefix, **more}

    def worker(
        self,
        name: str,
        queues: Sequence[str] = ("plain",),
        *,
        pool: str = "threads",
        concurrency: int = 1,
        prefetch: int = 1,
        acks: str = "late",
        arguments: Sequence[str] = (),
    ) -> Process:
        """A ready worker, whose node is `name@shop`."""
        return self.started.worker(
            queues,
            pool=pool,
            concurrency=concurrency,
            app="tests.integration.broker.stock",
            arguments=("--hostname", f"{name}@shop", *arguments),
            env=self.environment(STOCK_PREFETCH=str(prefetch), STOCK_ACKS=acks),
        )

    def publish(self, task: str, *args: object, **options: object) -> None:
        """Publish to the queue `plain`, unless `options` say otherwise."""
        self.celery.send_task(task, args=args, **options)

    def held(self, name: str = "held") -> str:
        """The file that tasks `hold` wait on; `release` lets them end."""
        path = self.folder / name
        path.touch()
        return str(path)

    def release(self, name: str = "held") -> None:
        (self.folder / name).unlink()

    @asynccontextmanager
    async def link(
        self, url: str | None = None, *, answer_limit_s: float = LOADED_ANSWER_LIMIT_S
    ) -> AsyncIterator[Link]:
        """The link under test, by default over the URL of the application."""
        sentinel = SentinelEntry(master_name="main")
        address = parse_address(self.url if url is None else url, sentinel=sentinel)
        link = Link(address, key_prefix=self.prefix, clock=time.time, answer_limit_s=answer_limit_s)
        link.open()
        try:
            yield link
        finally:
            await link.close()


def node(name: str) -> NodeName:
    return NodeName(f"{name}@shop")


async def until(
    probe: Callable[[], Awaitable[T]], accept: Callable[[T], bool], *, within_s: float = 200.0
) -> T:
    """Ask again and again until the answer is accepted; return it. An outage is not an answer.

    The default is long: a worker that has missed one question, since it was still connecting, is
    asked in three other content types first, with pauses that double.
    """
    deadline = time.monotonic() + within_s
    last: T | BrokerUnreachable | None = None
    while time.monotonic() < deadline:
        try:
            last = found = await probe()
            if accept(found):
                return found
        except BrokerUnreachable as error:
            last = error
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {within_s} s, last seen: {last!r}")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    with processes.Started(folder=tmp_path, environment=dict(os.environ)) as found:
        yield found


@pytest.fixture
def shop(redis_url: str, started: Started, tmp_path: Path) -> Shop:
    return Shop(url=redis_url, prefix="", started=started, folder=tmp_path)


@pytest.fixture(params=["", "shop:"], ids=["no prefix", "a key prefix"])
def prefixed_shop(
    request: pytest.FixtureRequest, redis_url: str, started: Started, tmp_path: Path
) -> Shop:
    """The same test on a database of its own and on one that is shared by key prefix."""
    return Shop(url=redis_url, prefix=request.param, started=started, folder=tmp_path)
