"""Pools come and go without leaving anything behind, with and without an operator."""

import json

import yaml

from tests import waiting
from tests.cluster.kubectl import Manifest
from tests.cluster.pools import manifests, runs
from tests.cluster.pools.conftest import PoolNamespace
from tests.cluster.pools.operators import ROOT

EXAMPLES = ROOT / "k8s/examples"


def example(site: PoolNamespace, name: str) -> list[Manifest]:
    """The objects of an example, with the test application and this module's Redis put in."""
    text = (EXAMPLES / name).read_text()
    objects: list[Manifest] = list(yaml.safe_load_all(text))
    return [_adapted(site, each) for each in objects]


def _adapted(site: PoolNamespace, manifest: Manifest) -> Manifest:
    if manifest["kind"] == "Secret":
        return manifest | {"stringData": {"url": site.broker.host_url}}
    if manifest["kind"] in ("Deployment", "StatefulSet"):
        [container] = manifest["spec"]["template"]["spec"]["containers"]
        container["image"] = site.image
        container["env"].append({"name": "LOG_REDIS_URL", "value": site.broker.host_url})
    return manifest


def test_a_foreign_application_is_scaled_as_the_example_says(site: PoolNamespace) -> None:
    site.kubectl.apply(*example(site, "foreign-celery-app.yaml"))
    site.kubectl.wait("wp/orders", "Ready", within_s=30)
    tasks = site.broker.send_work([3.0] * 4, queue="orders")
    tasks += site.broker.send_work([3.0] * 4, queue="invoices")
    waiting.eventually(lambda: runs.ended(site.broker, tasks) == 8, within_s=120)
    assert all(run.is_once for run in runs.read(site.broker, tasks).values())
    status = site.pool("orders")["status"]
    assert {queue["name"] for queue in status["queues"]} == {"orders", "invoices"}


def test_a_stateful_set_is_scaled_from_its_highest_ordinal(site: PoolNamespace) -> None:
    objects = example(site, "statefulset.yaml")
    [pool] = [each for each in objects if each["kind"] == "WorkerPool"]
    pool["spec"] |= {
        "pollingIntervalSeconds": 1,
        "cooldownPeriodSeconds": 0,
        "target": {"backlogPerReplica": 1},
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    }
    site.kubectl.apply(*objects)
    with site.history("models-worker", kind="statefulset") as history:
        tasks = site.broker.send_work([2.0] * 6, queue="inference")
        waiting.eventually(lambda: runs.ended(site.broker, tasks) == 6, within_s=120)
        waiting.eventually(lambda: history.now == 0, within_s=60, why="back to zero")
    assert max(history.replicas) > 1
    assert all(run.is_once for run in runs.read(site.broker, tasks).values())


def test_pools_of_our_own_queues_are_understood(site: PoolNamespace) -> None:
    site.kubectl.apply(*example(site, "celeriac-pools.yaml"))
    for name in ("documents", "media", "cleanup"):
        site.await_condition(name, "Ready", is_so="False", reason="TargetNotFound")


def test_deleting_a_pool_leaves_its_target_alone(site: PoolNamespace) -> None:
    site.deploy_workers("left")
    site.kubectl.apply(manifests.build_pool("left", minReplicas=2))
    waiting.eventually(lambda: site.kubectl.get("deployment/left")["spec"]["replicas"] == 2)
    before = site.kubectl.get("deployment/left")
    site.kubectl.delete("wp/left")
    site.kubectl.wait("wp/left", "delete", within_s=10)
    after = site.kubectl.get("deployment/left")
    assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])


def test_a_pool_is_deleted_at_once_when_the_operator_went_first(site: PoolNamespace) -> None:
    site.deploy_workers("stranded")
    site.kubectl.apply(manifests.build_pool("stranded"))
    site.await_condition("stranded", "Ready", is_so="True")
    meta = site.kubectl.get("wp/stranded")["metadata"]
    assert "finalizers" not in meta
    assert meta.get("annotations", {}) == {}
    site.operator.stop()
    site.kubectl.delete("wp/stranded")
    site.kubectl.wait("wp/stranded", "delete", within_s=10)
    site.operator.start()


def test_the_operator_stops_cleanly(site: PoolNamespace) -> None:
    assert site.operator.stop() == 0
    site.operator.start()


def test_applying_under_a_working_operator_is_stable(site: PoolNamespace) -> None:
    site.deploy_workers("stable")
    pool = manifests.build_pool("stable")
    site.kubectl.apply(pool)
    site.await_condition("stable", "Ready", is_so="True")
    before = site.kubectl.get("wp/stable")["metadata"]
    for _ in range(3):
        site.kubectl.apply(pool)
    after = site.kubectl.get("wp/stable")["metadata"]
    assert after["generation"] == before["generation"] == 1
    text = site.kubectl.run("get", "wp/stable", "--output=json", "--show-managed-fields")
    managers = {
        (each["manager"], each.get("subresource", ""))
        for each in json.loads(text)["metadata"]["managedFields"]
    }
    assert managers == {("kubectl", ""), ("celeriac-operator", "status")}
