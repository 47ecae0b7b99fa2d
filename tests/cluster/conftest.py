"""The cluster and what tests put into it; each test has a namespace of its own.

Where no cluster can be had, the tests skip with the reason; with `CI=true` they fail.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests import waiting
from tests.cluster import live, recipes, workloads
from tests.cluster.broker import Broker
from tests.cluster.kubectl import Kubectl
from tests.cluster.live import Cluster

_HERE = Path(__file__).parent

# Runs only where the cluster of this machine is the tests' own to take down, and then last.
TAKES_DOWN = "test_down.py"


class DeployBroker(Protocol):
    def __call__(self, name: str = "broker", *, append_only: bool = False) -> Broker: ...


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Limit the time of tests alone, as a first build takes longer; take down last, or not."""
    for item in items:
        if _HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300, func_only=True))
    last = [item for item in items if item.path == _HERE / TAKES_DOWN]
    others = [item for item in items if item not in last]
    if os.environ.get("CELERIAC_CLUSTER_OWNED") == "1":
        items[:] = others + last
    else:
        items[:] = others
        config.hook.pytest_deselected(items=last)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Kubernetes: `KUBECONFIG`'s, else one that is booted, or found running, here."""
    cache = tmp_path_factory.mktemp("kubectl")
    given = live.find_given(os.environ, cache=cache)
    if given is not None:
        yield given
        return
    with live.boot(os.environ, cache=cache) as booted:
        yield booted


@pytest.fixture
def kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    """kubectl in a fresh namespace of this test."""
    yield from _in_fresh_namespace(cluster)


@pytest.fixture(scope="module")
def module_kubectl(cluster: Cluster) -> Iterator[Kubectl]:
    """kubectl in a fresh namespace that the tests of one module share."""
    yield from _in_fresh_namespace(cluster)


@pytest.fixture
def namespace(kubectl: Kubectl) -> str:
    """The name of this test's namespace."""
    return kubectl.namespace


@pytest.fixture(scope="session")
def app_image(cluster: Cluster) -> str:
    """The stock Celery application of `app/`."""
    return cluster.image(recipes.TEST_APP)


@pytest.fixture(scope="session")
def redis_image(cluster: Cluster) -> str:
    """Redis of `redis/`."""
    return cluster.image(recipes.TEST_REDIS)


@pytest.fixture
def deploy_broker(kubectl: Kubectl, redis_image: str) -> DeployBroker:
    """`deploy_broker("orders", append_only=True)` -> a Redis that answers, also from here."""

    def deploy(name: str = "broker", *, append_only: bool = False) -> Broker:
        kubectl.apply(*workloads.build_redis(name, image=redis_image, append_only=append_only))
        kubectl.roll_out(f"deployment/{name}")
        address = kubectl.get(f"service/{name}")["spec"]["clusterIP"]
        broker = Broker(kubectl=kubectl, name=name, address=address)
        waiting.eventually(broker.answers, why="Services of this cluster are reachable from here")
        return broker

    return deploy


@pytest.fixture
def redis_in_cluster(deploy_broker: DeployBroker) -> Broker:
    """A Redis in this test's namespace."""
    return deploy_broker("redis")


def _in_fresh_namespace(cluster: Cluster) -> Iterator[Kubectl]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl = cluster.kubectl.within(name)
    kubectl.run("create", "namespace", name)
    waiting.eventually(
        lambda: kubectl.find("serviceaccount/default"), why="pods can start in the namespace"
    )
    yield kubectl
    kubectl.delete_all("deployments,statefulsets,pods")
    kubectl.delete(f"namespace/{name}")
