"""What `kubectl get wp` shows in moments that are easy to get wrong."""

from tests import waiting
from tests.cluster.kubectl import Manifest
from tests.cluster.pools import manifests
from tests.cluster.pools.conftest import PoolNamespace


def pods(site: PoolNamespace, name: str) -> list[Manifest]:
    return site.kubectl.items("pods", selector=f"app={name}")


def is_ending(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def test_a_pod_that_is_ending_still_counts_its_task(site: PoolNamespace) -> None:
    """Issue 9: a Celery worker says goodbye at SIGTERM, and finishes its task after that."""
    name = "leaving"
    site.deploy_workers(name, grace_s=120)
    site.kubectl.apply(manifests.build_pool(name, minReplicas=1))
    site.broker.send_work([60.0], queue=name)
    site.kubectl.wait(f"wp/{name}", "jsonpath={.status.activeTasks}=1")
    [first] = pods(site, name)
    site.kubectl.run("delete", f"pod/{first['metadata']['name']}", "--wait=false")
    waiting.eventually(
        lambda: any(not is_ending(each) for each in pods(site, name)), why="a new pod"
    )
    site.kubectl.wait(f"wp/{name}", "jsonpath={.status.readyReplicas}=1")
    # A changed spec has the status written at once.
    site.kubectl.patch(f"wp/{name}", {"spec": {"maxReplicas": 3}})
    site.kubectl.wait(f"wp/{name}", "jsonpath={.status.maxReplicas}=3")
    status = site.pool(name)["status"]
    assert [is_ending(each) for each in pods(site, name)].count(True) == 1
    assert status["activeTasks"] == 1


def test_a_pool_that_is_not_scaled_says_so(site: PoolNamespace) -> None:
    name = "watched"
    site.deploy_workers(name)
    site.kubectl.apply(manifests.build_pool(name, mode="DryRun", minReplicas=2))
    site.kubectl.wait(f"wp/{name}", "jsonpath={.status.state}=DryRun")
    assert site.pool(name)["status"]["desiredReplicas"] == 2
    site.kubectl.patch(f"wp/{name}", {"spec": {"mode": "Off"}})
    site.kubectl.wait(f"wp/{name}", "jsonpath={.status.state}=Off")
    limited = manifests.condition(site.pool(name), "ScalingLimited")
    assert (limited["status"], limited["reason"]) == ("Unknown", "Off")
    assert site.kubectl.get(f"deployment/{name}")["spec"]["replicas"] == 0


def test_a_fallback_is_in_force_only_where_the_spec_has_one(site: PoolNamespace) -> None:
    fallback = {"failureThreshold": 1, "behavior": "static", "replicas": 1}
    site.deploy_workers("falling")
    site.deploy_workers("keeping")
    site.kubectl.apply(
        manifests.build_pool("falling", fallback=fallback), manifests.build_pool("keeping")
    )
    site.kubectl.wait("wp/keeping", "jsonpath={.status.state}=Idle")
    site.kubectl.wait("wp/falling", "jsonpath={.status.state}=Idle")
    site.broker.go_away()
    site.kubectl.wait("wp/falling", "Fallback")
    site.kubectl.wait("wp/falling", "jsonpath={.status.state}=Fallback")
    site.kubectl.wait("wp/keeping", "jsonpath={.status.state}=Blind")
    site.kubectl.wait("wp/keeping", "condition=Fallback=false")
    site.broker.come_back()
    site.kubectl.wait("wp/keeping", "MetricsAvailable")
