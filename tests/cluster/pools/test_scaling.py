"""Pools follow their queues: from zero to many in one write, and back without ending a task."""

import time

import pytest

from tests import waiting
from tests.cluster.pools import manifests, runs
from tests.cluster.pools.conftest import PoolNamespace

BURST_S = 60.0


def test_a_burst_is_answered_in_one_write(site: PoolNamespace) -> None:
    site.deploy_workers("burst", grace_s=1)
    site.kubectl.apply(manifests.build_pool("burst", maxReplicas=32))
    site.await_condition("burst", "Ready", is_so="True")
    with site.history("burst") as history:
        site.broker.send_work([BURST_S] * 40, queue="burst")
        published_at_s = time.time()
        waiting.eventually(lambda: history.now == 32, within_s=15, why="32 replicas")
        first = history.changes[1]
        # As it stands some seconds later: nothing was added to the one write.
        waiting.eventually(lambda: time.time() - published_at_s > 10, within_s=15)
        assert history.replicas == [0, 32]
    assert first.at_s - published_at_s < 5
    site.kubectl.delete("wp/burst")
    site.kubectl.delete("deployment/burst")


def test_a_pool_goes_up_and_back_to_zero_and_runs_each_task_once(site: PoolNamespace) -> None:
    site.deploy_workers("mail")
    site.kubectl.apply(manifests.build_pool("mail", maxReplicas=3))
    with site.history("mail") as history:
        tasks = site.broker.send_work([2.0] * 6, queue="mail")
        waiting.eventually(lambda: runs.ended(site.broker, tasks) == 6, within_s=90)
        waiting.eventually(lambda: history.now == 0, within_s=60, why="back to zero")
    assert max(history.replicas) == 3
    assert all(run.is_once for run in runs.read(site.broker, tasks).values())


def test_the_status_and_the_command_line_say_why(site: PoolNamespace) -> None:
    site.deploy_workers("told")
    site.kubectl.apply(manifests.build_pool("told", maxReplicas=1, mode="DryRun"))
    site.broker.send_work([0.0] * 7, queue="told")

    def pool_is_told() -> bool:
        status = site.pool("told").get("status", {})
        return (status.get("backlog"), status.get("desiredReplicas")) == (7, 1)

    waiting.eventually(pool_is_told, why="the status shows the backlog")
    told = site.celeriac("pools", "explain", "told", "--namespace", site.kubectl.namespace)
    assert "backlog        7" in told
    assert "queue told: 7 ready" in told
    assert "TooManyReplicas" in told


def test_a_dry_run_writes_nothing_to_the_target(site: PoolNamespace) -> None:
    site.deploy_workers("dry")
    site.kubectl.apply(manifests.build_pool("dry", mode="DryRun"))
    with site.history("dry") as history:
        site.broker.send_work([0.0] * 5, queue="dry")
        waiting.eventually(lambda: site.pool("dry").get("status", {}).get("desiredReplicas") == 5)
        version = site.kubectl.get("deployment/dry")["metadata"]["generation"]
        site.kubectl.patch("wp/dry", {"spec": {"maxReplicas": 3}})
        waiting.eventually(lambda: site.pool("dry").get("status", {}).get("desiredReplicas") == 3)
    assert history.replicas == [0]
    assert site.kubectl.get("deployment/dry")["metadata"]["generation"] == version


def test_kubectl_scale_fixes_the_size_until_it_is_taken_back(site: PoolNamespace) -> None:
    site.deploy_workers("fixed")
    site.kubectl.apply(manifests.build_pool("fixed"))
    with site.history("fixed") as history:
        site.kubectl.scale("wp/fixed", 2)
        waiting.eventually(lambda: history.now == 2, why="the fixed size")
        site.await_condition("fixed", "Paused", is_so="True", reason="FixedSize")
        site.kubectl.patch("wp/fixed", {"spec": {"replicas": None}})
        waiting.eventually(lambda: history.now == 0, within_s=60, why="no work, no replica")
    assert history.replicas[:2] == [0, 2]


def test_kubectl_waits_for_a_ready_pool(site: PoolNamespace) -> None:
    site.deploy_workers("ready")
    site.kubectl.apply(manifests.build_pool("ready"))
    site.kubectl.wait("wp/ready", "Ready", within_s=20)
    line = site.kubectl.run("get", "wp/ready", "--no-headers").split()
    assert line[:5] == ["ready", "Idle", "0", "0", "0"]
    status = site.pool("ready")["status"]
    assert status["observedGeneration"] == 1
    assert status["selector"] == "app=ready"


@pytest.mark.parametrize("annotation", ["celeriac.dev/paused"])
def test_a_paused_pool_stays_as_it_is(site: PoolNamespace, annotation: str) -> None:
    site.deploy_workers("paused")
    site.kubectl.apply(manifests.build_pool("paused", maxReplicas=2))
    site.kubectl.run("annotate", "wp/paused", f"{annotation}=true")
    site.await_condition("paused", "Paused", is_so="True", reason="PausedByAnnotation")
    with site.history("paused") as history:
        site.broker.send_work([0.0], queue="paused")
        site.await_condition("paused", "Active", is_so="True")
        assert history.replicas == [0]
        site.kubectl.run("annotate", "wp/paused", f"{annotation}-")
        waiting.eventually(lambda: history.now == 1, why="it goes on")
