"""What workers consume is what their command line says, whatever the pool and people do to it."""

from collections.abc import Mapping

import pytest
from celery import Celery

from tests import waiting
from tests.cluster.pools import manifests, runs
from tests.cluster.pools.conftest import PoolNamespace

LONG_S = 45.0

pytestmark = pytest.mark.timeout(600)


def consumed(site: PoolNamespace, name: str) -> Mapping[str, set[str]]:
    """By pod, the queues that its worker consumes, once all pods answer."""
    pods = {
        pod["metadata"]["name"]
        for pod in site.kubectl.items("pods", selector=f"app={name}")
        if not pod["metadata"].get("deletionTimestamp")
    }
    with Celery(broker=site.broker.host_url, set_as_current=False) as app:
        answers = app.control.inspect(timeout=2).active_queues() or {}
    found = {
        node.rpartition("@")[2]: {queue["name"] for queue in queues}
        for node, queues in answers.items()
    }
    return {pod: found[pod] for pod in pods} if pods <= found.keys() else {}


def await_consumed(site: PoolNamespace, name: str, want: list[set[str]]) -> None:
    """Until the workers of these pods consume this."""
    waiting.eventually(
        lambda: sorted(map(sorted, consumed(site, name).values())) == sorted(map(sorted, want)),
        within_s=120,
        why=f"the workers of {name} consume {want}",
    )


def marked(site: PoolNamespace, name: str) -> list[str]:
    pods = site.kubectl.items("pods", selector=f"celeriac.dev/draining={name}")
    return [pod["metadata"]["name"] for pod in pods]


def cancelled(site: PoolNamespace, pod: str) -> str:
    annotations = site.kubectl.get(f"pod/{pod}")["metadata"].get("annotations") or {}
    return str(annotations.get("celeriac.dev/cancelled-consumers", ""))


def test_a_queue_that_a_pool_gains_in_a_drain_is_not_given_to_its_workers(
    site: PoolNamespace,
) -> None:
    """Issue 9: a worker that was woken consumed it, and discarded its messages."""
    queues = ("gained", "invoices")
    site.deploy_workers("gained", concurrency=2, queues=queues)
    site.kubectl.apply(
        manifests.build_pool(
            "gained",
            queues=list(queues),
            replicas=2,
            maxReplicas=2,
            concurrency=2,
            target={"queueWaitSeconds": 1},
            cooldownPeriodSeconds=0,
        )
    )
    await_consumed(site, "gained", [set(queues)] * 2)
    tasks = site.broker.send_work([LONG_S] * 2, queue="gained")
    waiting.eventually(lambda: runs.started(site.broker, tasks) == 2, why="one long task on each")
    site.kubectl.patch("wp/gained", {"spec": {"replicas": None}})
    (pod,) = waiting.eventually(lambda: marked(site, "gained"), why="one of them drains")
    waiting.eventually(lambda: "invoices" in cancelled(site, pod), why="its mark says what for")

    wrong = [*queues, "reports", "orderz"]
    site.kubectl.patch("wp/gained", {"spec": {"queues": wrong, "replicas": 2}})

    await_consumed(site, "gained", [set(queues)] * 2)
    waiting.eventually(lambda: not marked(site, "gained"), why="the mark is taken off")
    site.broker.send_work([0.1], queue="reports")
    differ = site.await_condition("gained", "WorkersHealthy", is_so="False", reason="QueuesDiffer")
    assert (
        "workers consume gained, invoices; spec.queues names gained, invoices, reports"
        in (differ["message"])
    )
    site.await_condition("gained", "Ready", is_so="False", reason="QueuesDiffer")
    more = site.broker.send_work([0.1] * 4, queue="gained")
    waiting.eventually(lambda: runs.ended(site.broker, more) == 4, why="they take work again")
    with site.broker.client() as client:
        assert client.llen("reports") == 1, "no worker has taken what it does not know"
    await_consumed(site, "gained", [set(queues)] * 2)


def test_a_worker_that_was_stopped_by_hand_is_woken_and_told(site: PoolNamespace) -> None:
    site.deploy_workers("stopped")
    site.kubectl.apply(manifests.build_pool("stopped", replicas=2, maxReplicas=2))
    await_consumed(site, "stopped", [{"stopped"}] * 2)
    site.await_condition("stopped", "WorkersHealthy", is_so="True")
    with Celery(broker=site.broker.host_url, set_as_current=False) as app:
        nodes = [node for node in app.control.inspect(timeout=2).ping() or {} if "stopped" in node]
        app.control.cancel_consumer("stopped", destination=nodes)
    await_consumed(site, "stopped", [set(), set()])

    tasks = site.broker.send_work([0.1] * 4, queue="stopped")

    waiting.eventually(
        lambda: runs.ended(site.broker, tasks) == 4, within_s=120, why="they consume again"
    )
    events = site.kubectl.items("events")
    assert "WorkersNotConsuming" in {event["reason"] for event in events}
    site.await_condition("stopped", "WorkersHealthy", is_so="True", within_s=60)
