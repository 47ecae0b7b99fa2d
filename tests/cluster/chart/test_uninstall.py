"""An operator that is uninstalled in the middle of a drain leaves workers that consume."""

import json

from tests import waiting
from tests.cluster import workloads
from tests.cluster.broker import Broker
from tests.cluster.chart.helm import Helm, Values
from tests.cluster.kubectl import Kubectl
from tests.cluster.pools import manifests, runs

NAME = "outliving"


def values(operator_image: str) -> Values:
    """The operator, and as little else as the chart allows."""
    repository, _, tag = operator_image.rpartition(":")
    image = {"repository": repository, "tag": tag}
    return {
        "image": image,
        "pipelines": {"enabled": False},
        "redis": {"enabled": False},
        "exporter": {"enabled": False},
        "broker": {"existingSecret": "broker"},
        "celery": {"app": "tasks"},
        "workers": {"image": image, "pools": {"unused": {"maxReplicas": 1}}},
    }


def marked(kubectl: Kubectl) -> list[str]:
    pods = kubectl.items("pods", selector=f"celeriac.dev/draining={NAME}")
    return [pod["metadata"]["name"] for pod in pods]


def consumed(broker: Broker) -> list[list[str]]:
    return sorted(broker.consumed_queues().values())


def test_workers_that_drain_are_woken_before_the_operator_goes(
    kubectl: Kubectl, redis_in_cluster: Broker, app_image: str, operator_image: str
) -> None:
    broker, helm = redis_in_cluster, Helm(kubectl=kubectl)
    kubectl.apply(
        manifests.build_secret("broker", broker.url),
        workloads.build_worker(
            NAME,
            image=app_image,
            broker_url=broker.url,
            log_url=broker.url,
            queues=(NAME,),
            replicas=2,
            grace_s=1,
        ),
    )
    helm.install(values(operator_image))
    tasks = broker.send_work([240.0] * 2, queue=NAME)
    waiting.eventually(lambda: runs.started(broker, tasks) == 2, why="both are busy")
    kubectl.apply(manifests.build_pool(NAME, maxReplicas=1, cooldownPeriodSeconds=0))
    waiting.eventually(lambda: marked(kubectl), why="one of them drains")
    waiting.eventually(lambda: consumed(broker) == [[], [NAME]], why="and consumes nothing")

    helm.uninstall()

    assert (marked(kubectl), consumed(broker)) == ([], [[NAME], [NAME]])
    assert kubectl.find("deployment/celeriac-operator") is None
    left = json.loads(kubectl.run("get", "jobs", "--output=json"))["items"]
    assert left == []
    finalizers = kubectl.get(f"wp/{NAME}")["metadata"].get("finalizers")
    assert finalizers is None
