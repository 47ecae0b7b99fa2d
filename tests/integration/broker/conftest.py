"""A stock Celery application on real Valkey, and the link to it that is tested."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from app.errors import BrokerUnreachable
from tests.integration import processes
from tests.integration.foreign_application import ForeignApplication
from tests.integration.processes import Started

T = TypeVar("T")


def shop_on(
    url: str, started: Started | None, folder: Path, *, prefix: str = ""
) -> ForeignApplication:
    """An application whose default queue is `plain`. Another two hang on exchanges."""
    conf = {
        "task_default_queue": "plain",
        "broker_transport_options": {"global_keyprefix": prefix, "master_name": "main"},
    }
    return ForeignApplication(
        url=url, started=started, folder=folder, prefix=prefix, conf=conf, has_exchanges=True
    )


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
def shop(redis_url: str, started: Started, tmp_path: Path) -> ForeignApplication:
    return shop_on(redis_url, started, tmp_path)


@pytest.fixture(params=["", "shop:"], ids=["no prefix", "a key prefix"])
def prefixed_shop(
    request: pytest.FixtureRequest, redis_url: str, started: Started, tmp_path: Path
) -> ForeignApplication:
    """The same test on a database of its own and on one that is shared by key prefix."""
    return shop_on(redis_url, started, tmp_path, prefix=request.param)
