"""The cluster is a real one: what the other tests rely on works."""

import json
from pathlib import Path

import pytest

from tests import waiting
from tests.cluster import workloads
from tests.cluster.broker import Broker
from tests.cluster.conftest import DeployBroker
from tests.cluster.kubectl import Kubectl, KubectlError, Manifest

READER: list[Manifest] = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader"}],
    },
]

RESOLVE = """
import json, socket, sys
print(json.dumps([socket.gethostbyname(name) for name in sys.argv[1:]]))
"""


def started_on(broker: Broker, task: str) -> str | None:
    """The pod on which a task has run to its end."""
    ended = [each.host for each in broker.events() if (each.event, each.task) == ("end", task)]
    return ended[0] if ended else None


def test_pod_runs_task_sent_from_the_host(
    kubectl: Kubectl, redis_in_cluster: Broker, app_image: str
) -> None:
    url = redis_in_cluster.url
    kubectl.apply(
        workloads.build_worker(
            "shop", image=app_image, broker_url=url, log_url=url, queues=("default", "mail")
        )
    )
    [task] = redis_in_cluster.send_work([0.1], queue="mail", priority=9)

    host = waiting.eventually(lambda: started_on(redis_in_cluster, task), within_s=90)

    pods = kubectl.items("pods", selector="app=shop")
    assert [host] == [pod["metadata"]["name"] for pod in pods]


def test_stateful_workers_keep_their_names(
    kubectl: Kubectl, redis_in_cluster: Broker, app_image: str
) -> None:
    url = redis_in_cluster.url
    worker = workloads.build_worker(
        "shop", image=app_image, broker_url=url, log_url=url, kind="StatefulSet", replicas=2
    )
    kubectl.apply(worker)
    kubectl.roll_out("statefulset/shop")

    pods = kubectl.items("pods", selector="app=shop")

    assert sorted(pod["metadata"]["name"] for pod in pods) == ["shop-0", "shop-1"]


def test_names_resolve_inside_pods_and_services_lead_there(
    kubectl: Kubectl, redis_in_cluster: Broker
) -> None:
    pod = f"deployment/{redis_in_cluster.name}"
    names = (f"redis.{kubectl.namespace}.svc.cluster.local", "redis")

    resolved = json.loads(kubectl.exec(pod, "python3", "-c", RESOLVE, *names))
    answer = kubectl.exec(pod, "redis-cli", "-h", "redis", "ping")

    assert resolved == [redis_in_cluster.address] * 2
    assert answer.strip() == "PONG"


def test_broker_comes_back_with_its_data(deploy_broker: DeployBroker) -> None:
    broker = deploy_broker(append_only=True)
    with broker.client() as client:
        client.set("kept", "yes")

    broker.go_away()
    assert not broker.answers()
    broker.come_back()

    with broker.client() as client:
        assert client.get("kept") == "yes"


def test_service_account_may_do_what_its_role_says_and_no_more(
    kubectl: Kubectl, redis_in_cluster: Broker, tmp_path: Path
) -> None:
    kubectl.apply(*READER)
    reader = kubectl.acting_as("reader", folder=tmp_path)

    [pod] = reader.items("pods")

    with pytest.raises(KubectlError, match='cannot delete resource "pods"'):
        reader.kill(pod["metadata"]["name"])
    with pytest.raises(KubectlError, match='cannot list resource "secrets"'):
        reader.items("secrets")


def test_restricted_namespace_refuses_a_privileged_pod(kubectl: Kubectl) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    kubectl.run("label", "namespace", kubectl.namespace, label)
    container = {"name": "x", "image": "localhost/none", "securityContext": {"privileged": True}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "privileged"},
        "spec": {"containers": [container]},
    }

    with pytest.raises(KubectlError, match="violates PodSecurity"):
        kubectl.apply(pod)
