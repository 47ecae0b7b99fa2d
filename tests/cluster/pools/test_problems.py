"""What is wrong with a pool is said there, with the way out, once; other pools go on meanwhile."""

from collections.abc import Callable

import pytest

from tests import waiting
from tests.cluster.kubectl import Manifest
from tests.cluster.pools import manifests
from tests.cluster.pools.conftest import PoolNamespace


def events(site: PoolNamespace, name: str, *, reason: str) -> list[Manifest]:
    """The Events about a pool that have this reason."""
    found = site.kubectl.items("events.events.k8s.io")
    return [
        event for event in found if event["regarding"]["name"] == name and event["reason"] == reason
    ]


def missing_target(site: PoolNamespace) -> Manifest:
    return manifests.build_pool("missing-target", workload="nobody")


def unknown_secret(site: PoolNamespace) -> Manifest:
    site.deploy_workers("unknown-secret")
    return manifests.build_pool("unknown-secret", secret="nowhere")


def bad_cron(site: PoolNamespace) -> Manifest:
    site.deploy_workers("bad-cron")
    window = {"name": "office", "start": "0 25 * * *", "end": "0 18 * * *", "minReplicas": 1}
    return manifests.build_pool("bad-cron", schedules=[window])


def no_scale(site: PoolNamespace) -> Manifest:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt"}
    return manifests.build_pool("no-scale", scaleTargetRef=reference)


def forbidden_kind(site: PoolNamespace) -> Manifest:
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x"}
    return manifests.build_pool("forbidden-kind", scaleTargetRef=reference)


def bad_annotation(site: PoolNamespace) -> Manifest:
    site.deploy_workers("bad-annotation")
    pool = manifests.build_pool("bad-annotation")
    pool["metadata"]["annotations"] = {"celeriac.dev/paused": "maybe"}
    return pool


PROBLEMS: tuple[tuple[Callable[[PoolNamespace], Manifest], str, str], ...] = (
    (missing_target, "TargetNotFound", "there is no Deployment"),
    (unknown_secret, "BrokerUnknown", "create it, or correct spec.broker.secretKeyRef"),
    (bad_cron, "InvalidSchedule", "office"),
    (no_scale, "TargetNotScalable", "has no /scale"),
    (forbidden_kind, "TargetForbidden", "its Role needs get and patch"),
    (bad_annotation, "InvalidAnnotation", "write true or false"),
)


STATES = {
    "TargetNotFound": "NoTarget",
    "BrokerUnknown": "Blind",
    "InvalidSchedule": "Invalid",
    "TargetNotScalable": "NoTarget",
    "TargetForbidden": "Refused",
    "InvalidAnnotation": "Invalid",
}


@pytest.mark.parametrize(("build", "reason", "told"), PROBLEMS, ids=[each[1] for each in PROBLEMS])
def test_a_problem_is_told_with_the_way_out(
    site: PoolNamespace, build: Callable[[PoolNamespace], Manifest], reason: str, told: str
) -> None:
    pool = build(site)
    name = pool["metadata"]["name"]
    site.kubectl.apply(pool)
    condition = site.await_condition(name, "Ready", is_so="False", reason=reason)
    assert told in condition["message"]
    site.kubectl.wait(f"wp/{name}", f"jsonpath={{.status.state}}={STATES[reason]}")
    waiting.eventually(lambda: events(site, name, reason=reason), why="an Event")


def test_the_younger_of_two_pools_on_one_target_gives_way(site: PoolNamespace) -> None:
    site.deploy_workers("shared")
    site.kubectl.apply(manifests.build_pool("elder", workload="shared", queues=["elder"]))
    site.await_condition("elder", "Ready", is_so="True")
    site.kubectl.apply(manifests.build_pool("younger", workload="shared", queues=["younger"]))
    condition = site.await_condition("younger", "Ready", is_so="False", reason="TargetShared")
    assert "elder" in condition["message"]
    site.kubectl.wait("wp/younger", "jsonpath={.status.state}=Contested")
    with site.history("shared") as history:
        site.broker.send_work([0.1] * 3, queue="younger")
        site.broker.send_work([5.0] * 2, queue="elder")
        waiting.eventually(lambda: history.now == 2, why="the elder pool's size")
        assert 3 not in history.replicas
        site.kubectl.delete("wp/elder")
        site.await_condition("younger", "Ready", is_so="True")


def test_an_autoscaler_on_the_same_target_is_named(site: PoolNamespace) -> None:
    site.deploy_workers("contested")
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "cpu"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "contested"},
            "maxReplicas": 2,
        },
    }
    site.kubectl.apply(autoscaler, manifests.build_pool("contested"))
    condition = site.await_condition("contested", "Ready", is_so="False", reason="TargetShared")
    assert "HorizontalPodAutoscaler cpu" in condition["message"]
    site.kubectl.delete("hpa/cpu")
    site.await_condition("contested", "Ready", is_so="True")


def test_a_problem_that_is_mended_is_over(site: PoolNamespace) -> None:
    site.deploy_workers("mended")
    site.kubectl.apply(manifests.build_pool("mended", secret="later"))
    site.await_condition("mended", "Ready", is_so="False", reason="BrokerUnknown")
    site.kubectl.apply(manifests.build_secret("later", site.broker.host_url))
    site.await_condition("mended", "Ready", is_so="True")
    site.await_condition("mended", "MetricsAvailable", is_so="True")


def test_other_pools_go_on_beside_broken_ones(site: PoolNamespace) -> None:
    site.kubectl.apply(*(build(site) for build, _, _ in PROBLEMS))
    site.deploy_workers("healthy")
    site.kubectl.apply(manifests.build_pool("healthy", maxReplicas=2))
    with site.history("healthy") as history:
        site.broker.send_work([0.1] * 2, queue="healthy")
        waiting.eventually(lambda: history.now == 2, why="it is scaled")
    assert site.operator.is_running
    assert "Traceback" not in site.operator.log


def test_each_problem_was_told_once(site: PoolNamespace) -> None:
    """After all of the above: dozens of turns have found the same problem again."""
    pools = [(build(site)["metadata"]["name"], reason) for build, reason, _ in PROBLEMS]
    told = {name: len(events(site, name, reason=reason)) for name, reason in pools}
    assert told == dict.fromkeys(told, 1)
