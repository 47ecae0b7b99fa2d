"""What the endpoint of metrics answers besides them."""

from collections.abc import Iterable

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from app.telemetry import scraping


def broken() -> Iterable[Metric]:
    raise AssertionError("nobody should collect")


@pytest.mark.parametrize(("path", "want"), [("/healthz", 200), ("/", 404), ("/metricsx", 404)])
def test_probes_and_strays_collect_nothing(path: str, want: int) -> None:
    registry = CollectorRegistry()
    registry.register(scraping.Collected(broken))
    with scraping.serving(registry, host="127.0.0.1", port=0) as port:
        assert httpx2.get(f"http://127.0.0.1:{port}{path}").status_code == want
