"""Before the operator goes for good, the workers that drain are woken, and stay awake."""

from tests import waiting
from tests.cluster.pools import manifests, runs
from tests.cluster.pools.conftest import PoolNamespace

NAME = "released"


def marked(site: PoolNamespace) -> list[str]:
    pods = site.kubectl.items("pods", selector=f"celeriac.dev/draining={NAME}")
    return [pod["metadata"]["name"] for pod in pods]


def consumed(site: PoolNamespace) -> list[list[str]]:
    """The queues that each worker of the pool consumes, as it says itself."""
    return sorted(
        queues
        for host, queues in site.broker.consumed_queues().items()
        if host.split("@")[1].startswith(NAME)
    )


def test_what_drains_is_woken_and_a_running_operator_leaves_it_awake(site: PoolNamespace) -> None:
    site.deploy_workers(NAME, replicas=2, grace_s=1)
    tasks = site.broker.send_work([120.0] * 2, queue=NAME)
    waiting.eventually(lambda: runs.started(site.broker, tasks) == 2, why="both are busy")
    site.kubectl.apply(manifests.build_pool(NAME, maxReplicas=1, cooldownPeriodSeconds=0))
    waiting.eventually(lambda: marked(site), why="one of them drains")
    waiting.eventually(lambda: consumed(site) == [[], [NAME]], why="and consumes nothing")

    said = site.celeriac("operator", "--release", "--namespace", site.kubectl.namespace)

    assert said == "1 draining replicas consume again\n"
    assert (marked(site), consumed(site)) == ([], [[NAME], [NAME]])
    assert "operator stands by" in site.operator.log
    # A second look of its own would have come within a second.
    assert site.operator.is_running
    assert site.kubectl.get(f"deployment/{NAME}")["spec"]["replicas"] == 2
