"""A running exporter of a stock application."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import processes
from tests.integration.broker.conftest import shop_on
from tests.integration.foreign_application import ForeignApplication
from tests.integration.processes import Process, Started

LISTENING = re.compile(r'"port": (\d+)')


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    with processes.Started(folder=tmp_path, environment=dict(os.environ)) as found:
        yield found


@pytest.fixture
def shop(redis_url: str, started: Started, tmp_path: Path) -> ForeignApplication:
    return shop_on(redis_url, started, tmp_path)


@pytest.fixture
def exporter(shop: ForeignApplication, tmp_path: Path) -> Iterator[str]:
    """The URL of the metrics of `shop`."""
    process = Process(
        [sys.executable, "-m", "app", "exporter", "--port", "0", "--log-format", "json"],
        environment={**os.environ, "CELERY_BROKER_URL": shop.url},
        log=tmp_path / "exporter.log",
    )
    try:
        process.wait_for("exporter runs")
        found = LISTENING.search(process.log)
        assert found is not None
        yield f"http://127.0.0.1:{found.group(1)}/metrics"
        assert process.stop() == 0
    finally:
        process.kill()
