"""Two operators of one namespace: one acts, the other stands by; a dry run disturbs neither."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import waiting
from tests.cluster.kubectl import Manifest
from tests.cluster.pools import manifests
from tests.cluster.pools.conftest import PoolNamespace
from tests.cluster.pools.operators import ROOT, Operator

STANDS_BY = "operator stands by"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def second(site: PoolNamespace, tmp_path: Path) -> Iterator[Operator]:
    """Another operator with the same rights, not started yet."""
    operator = Operator(
        kubeconfig=site.operator.kubeconfig,
        namespaces=site.operator.namespaces,
        log_path=tmp_path / "second.log",
    )
    yield operator
    operator.kill()


def holder(site: PoolNamespace) -> str:
    found: str = site.kubectl.get("lease/celeriac-operator")["spec"]["holderIdentity"]
    return found


def test_a_standby_goes_on_at_once_when_the_leader_is_stopped_and_soon_when_it_is_killed(
    site: PoolNamespace, second: Operator
) -> None:
    site.deploy_workers("handed", grace_s=1)
    site.kubectl.apply(manifests.build_pool("handed", maxReplicas=2))
    site.await_condition("handed", "Ready", is_so="True")
    first = holder(site)
    second.start(until=STANDS_BY)
    assert first in second.log
    with site.history("handed") as history:
        site.operator.stop()
        waiting.eventually(lambda: "operator runs" in second.log, why="it leads")
        assert holder(site) not in ("", first)
        site.broker.send_work([60.0] * 2, queue="handed")
        waiting.eventually(lambda: history.now == 2, within_s=30, why="it scales")
        site.operator.start(until=STANDS_BY)
        runs = site.operator.log.count("operator runs")
        second.kill()
        waiting.eventually(
            lambda: site.operator.log.count("operator runs") > runs, within_s=60, why="it is back"
        )
        site.kubectl.patch("wp/handed", {"spec": {"maxReplicas": 1, "drain": {"policy": "None"}}})
        waiting.eventually(lambda: history.now == 1, within_s=30, why="it scales again")
    site.kubectl.delete("wp/handed")
    site.kubectl.delete("deployment/handed")


def as_written(site: PoolNamespace, name: str) -> Manifest:
    """A pool without what changes with every look."""
    pool = site.pool(name)
    return {
        "conditions": [
            (each["type"], each["status"], each["reason"], each["lastTransitionTime"])
            for each in pool["status"]["conditions"]
        ],
        "events": sorted(
            event["metadata"]["name"]
            for event in site.kubectl.items("events.events.k8s.io")
            if event["regarding"]["name"] == name
        ),
        "lease": holder(site),
    }


def dry_run(site: PoolNamespace, *, broker_url: str, until: str) -> str:
    """What a dry run shows, once it shows this."""
    command = [sys.executable, "-m", "app", "operator", "--namespace", site.kubectl.namespace]
    process = subprocess.Popen(
        [*command, "--dry-run", "--broker-url", broker_url],
        cwd=ROOT,
        env={
            "KUBECONFIG": str(site.kubectl.kubeconfig),
            "PYTHONUNBUFFERED": "1",
            "PATH": "/usr/bin",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    shown = ""
    try:
        with process.stdout as lines:
            for line in lines:
                shown += line
                if until in line:
                    break
    finally:
        process.terminate()
        process.wait(timeout=30)
    return shown


def test_a_dry_run_prints_and_writes_nothing(site: PoolNamespace) -> None:
    site.deploy_workers("dried")
    site.kubectl.apply(manifests.build_pool("dried", mode="DryRun", maxReplicas=7))
    site.await_condition("dried", "Ready", is_so="True")
    site.broker.send_work([0.1] * 3, queue="dried")
    waiting.eventually(lambda: site.pool("dried")["status"].get("desiredReplicas") == 3)
    before = as_written(site, "dried")
    away = dry_run(site, broker_url=NOWHERE, until="BrokerUnreachable")
    found = dry_run(site, broker_url=site.broker.host_url, until="would go from 0 to 3 replicas")
    assert f"{site.kubectl.namespace}/dried  BrokerUnreachable: " in away
    assert "would go from 0 to 3 replicas" in found
    assert as_written(site, "dried") == before


def test_a_status_that_another_client_wrote_is_put_right(site: PoolNamespace) -> None:
    site.deploy_workers("overwritten")
    site.kubectl.apply(manifests.build_pool("overwritten"))
    ready = site.await_condition("overwritten", "Ready", is_so="True")
    wrong = [ready | {"status": "False", "reason": "BrokerUnreachable"}]
    patch = {"status": {"conditions": wrong, "backlog": 99}}
    site.kubectl.patch("wp/overwritten", patch, subresource="status")
    assert site.pool("overwritten")["status"]["backlog"] == 99
    found = site.await_condition("overwritten", "Ready", is_so="True", within_s=60)
    assert found["reason"] == ready["reason"]
    assert len(site.pool("overwritten")["status"]["conditions"]) > 1
    assert site.operator.log.count("status was overwritten") == 1
