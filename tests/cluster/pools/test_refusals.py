"""A real API server that refuses a size or the pods of it: told in its words, and over when it is.

The policies are of the whole cluster and apply to this module's namespace alone.
"""

from tests import waiting
from tests.cluster.kubectl import Manifest
from tests.cluster.pools import admission, manifests
from tests.cluster.pools.conftest import PoolNamespace


def told(site: PoolNamespace, name: str, *, reason: str) -> list[Manifest]:
    """The Events about a pool that have this reason."""
    found = site.kubectl.items("events.events.k8s.io")
    return [
        event for event in found if event["regarding"]["name"] == name and event["reason"] == reason
    ]


def test_a_size_that_a_policy_refuses_is_told_and_the_allowed_one_is_reached(
    site: PoolNamespace,
) -> None:
    name = "policed"
    site.deploy_workers(name, grace_s=1)
    with admission.policy(site, name, at_most=4), site.history(name) as history:
        site.broker.send_work([120.0] * 6, queue=name)
        site.kubectl.apply(manifests.build_pool(name, maxReplicas=9))
        condition = site.await_condition(name, "AbleToScale", is_so="False", reason="ScaleRefused")
        assert "to be set to 6 replicas" in condition["message"]
        assert admission.WORDS in condition["message"]
        site.await_condition(name, "Ready", is_so="False", reason="ScaleRefused")
        waiting.eventually(lambda: told(site, name, reason="ScaleRefused"), why="an Event")
        tries = waiting.eventually(
            lambda: site.operator.log.count("ScaleRefused"), why="a line in the log"
        )
        site.kubectl.patch(f"wp/{name}", {"spec": {"maxReplicas": 4}})
        waiting.eventually(lambda: history.now == 4, within_s=30, why="the size that is allowed")
        site.await_condition(name, "Ready", is_so="True")
    assert history.replicas == [0, 4]
    assert (len(told(site, name, reason="ScaleRefused")), tries) == (1, 1)
    site.kubectl.delete(f"wp/{name}")
    site.kubectl.delete(f"deployment/{name}")


def test_pods_that_a_quota_refuses_are_told(site: PoolNamespace) -> None:
    name = "small"
    site.deploy_workers(name, grace_s=1)
    waiting.eventually(lambda: len(site.kubectl.items("pods")) == 1, why="only the broker runs")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"pods": "2"}},
    }
    site.kubectl.apply(quota)
    waiting.eventually(
        lambda: site.kubectl.get("resourcequota/few").get("status", {}).get("used"),
        why="the quota is in force",
    )
    site.kubectl.apply(manifests.build_pool(name, minReplicas=3))
    condition = site.await_condition(name, "Ready", is_so="False", reason="PodsRefused")
    assert "exceeded quota: few" in condition["message"]
    site.kubectl.delete("resourcequota/few")
    site.kubectl.patch(f"wp/{name}", {"spec": {"minReplicas": 4}})
    site.await_condition(name, "Ready", is_so="True", within_s=60)
