"""A real Prometheus scrapes exporter, API and operator; what the chart ships finds its series."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from app.operator.metrics import OperatorMetrics
from tests.integration import serving
from tests.integration.api import asking
from tests.integration.foreign_application import ForeignApplication
from tests.integration.processes import Process
from tests.integration.telemetry import scrape
from tests.integration.telemetry.scrape import key
from tests.integration.telemetry.test_operator import SHOP, STATUS, TICK
from tests.ports import free_port
from tests.tools import debian
from tests.waiting import eventually

FILES = Path(__file__).parents[3] / "charts/celeriac/files"
DASHBOARD = json.loads((FILES / "dashboards/overview.json").read_text())
ALERTS = yaml.safe_load((FILES / "alerts.yaml").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
METRICS = {
    name
    for group in ALERTS["groups"]
    for rule in group["rules"]
    for name in re.findall(r"\bceler(?:y|iac)_\w+", rule["expr"])
}


@pytest.fixture
def targets(
    shop: ForeignApplication, exporter: str, environment: dict[str, str]
) -> Iterator[list[str]]:
    """An exporter that has heard of tasks, an API with a job, an operator with a pool."""
    del environment
    shop.worker("one", ["plain"], pool="prefork", arguments=["--task-events"])
    up = key("celery_worker_up", hostname="shop")
    scrape.eventually(exporter, lambda found: found.get(up) == 1)
    shop.send("nap", 0)
    shop.send("nap", 0, "not a number")
    stamp = {"celeriac_published_at": 1.0}
    shop.send("nap", 0, queue="plain", headers=stamp)
    metrics = OperatorMetrics()
    metrics.observe(TICK, {SHOP: STATUS})
    with (
        serving.serve(serving.platform_from_environment()) as api,
        metrics.serving(host="127.0.0.1", port=0) as operator_port,
    ):
        asking.submit(api.http)
        yield [exporter, f"{api.url}/metrics", f"http://127.0.0.1:{operator_port}/metrics"]


@pytest.fixture
def server(targets: list[str], tmp_path: Path) -> Iterator[str]:
    """The URL of a Prometheus that scrapes all of them and evaluates our alerts."""
    places = [url.removeprefix("http://").removesuffix("/metrics") for url in targets]
    config = tmp_path / "prometheus.yaml"
    document = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FILES / "alerts.yaml")],
        "scrape_configs": [{"job_name": "celery", "static_configs": [{"targets": places}]}],
    }
    config.write_text(yaml.safe_dump(document))
    address = f"127.0.0.1:{free_port()}"
    process = Process(
        [
            *(str(debian.program("prometheus")), f"--config.file={config}"),
            *(f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address={address}"),
        ],
        environment=os.environ,
        log=tmp_path / "prometheus.log",
    )
    try:
        process.wait_for("Server is ready to receive web requests")
        yield f"http://{address}/api/v1"
    finally:
        process.kill()


def answer(url: str, **parameters: str) -> Any:  # Any: JSON
    got = httpx2.get(url, params=parameters, timeout=20)
    got.raise_for_status()
    return got.json()["data"]


def without_series(server: str, queries: list[str]) -> list[str]:
    return [query for query in queries if not answer(f"{server}/query", query=query)["result"]]


def test_dashboards_and_alerts_find_their_series(server: str) -> None:
    eventually(
        lambda: (
            [each["health"] for each in answer(f"{server}/targets")["activeTargets"]] == ["up"] * 3
        ),
        why="all targets are scraped",
    )
    wanted = [*QUERIES, *sorted(METRICS)]
    eventually(lambda: not without_series(server, wanted), why="every query gives series")

    def health() -> set[str]:
        groups = answer(f"{server}/rules")["groups"]
        return {rule["health"] for group in groups for rule in group["rules"]}

    eventually(lambda: health() == {"ok"}, why="every rule was evaluated without an error")


def test_the_reference_names_every_metric(server: str) -> None:
    reference = (FILES.parents[2] / "docs/reference/metrics.md").read_text()
    documented = set(re.findall(r"`(celer(?:y|iac)_\w+)`", reference))

    eventually(lambda: not without_series(server, sorted(METRICS)), why="everything is scraped")
    names = answer(f"{server}/label/__name__/values")
    ours = {name for name in names if name.startswith(("celery_", "celeriac_"))}
    assert {name for name in ours if not _spellings(name) & documented} == set()


def _spellings(name: str) -> set[str]:
    """How the reference may name a series: histograms and counters have several of them."""
    short = re.sub(r"_(bucket|sum|count|created)$", "", name)
    return {name, short, f"{short}_total"}
