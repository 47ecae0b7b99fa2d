"""An operator with rights in the whole cluster, and pools and thieves that would use them."""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests import waiting
from tests.cluster import workloads
from tests.cluster.broker import Broker
from tests.cluster.chart.conftest import build_image
from tests.cluster.chart.helm import CHART, Helm
from tests.cluster.kubectl import Kubectl, KubectlError, Manifest
from tests.cluster.pools import manifests, runs

PRESET = yaml.safe_load((CHART / "presets/operator-only.yaml").read_text())
DEFINITION = CHART / "crds/workerpools.celeriac.dev.yaml"
ACCOUNT = "celeriac-operator"
DRAINING = "celeriac.dev/draining"
BYSTANDER = "celeriac-bystander"


STRANGE_IMAGE = "none.invalid/none:1"
FOREIGN_CHANGES: tuple[tuple[Manifest, str], ...] = (
    ({"metadata": {"labels": {"app": "other"}}}, "no other label"),
    ({"metadata": {"labels": {"app": None}}}, "no other label"),
    ({"metadata": {"annotations": {"example.com/note": "x"}}}, "no annotation"),
    ({"status": {"reason": "Evicted"}}, "the status"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WideSite:
    """An operator of the whole cluster, two workers that it sizes, and its stolen token."""

    kubectl: Kubectl
    thief: Kubectl
    broker: Broker
    api: httpx2.Client
    """The API server with the same token: kubectl reads before it writes, and may not."""

    def patch(self, path: str, change: Manifest) -> tuple[int, str]:
        """The status and what the API server says."""
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = self.api.patch(path, content=json.dumps(change), headers=headers)
        return answer.status_code, answer.json().get("message", "")


@pytest.fixture(scope="module")
def site(
    restricted: Kubectl,
    redis_image: str,
    app_image: str,
    operator_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WideSite]:
    kubectl = restricted
    kubectl.apply(*workloads.build_redis("redis", image=redis_image, append_only=True))
    kubectl.roll_out("deployment/redis")
    address = kubectl.get("service/redis")["spec"]["clusterIP"]
    broker = Broker(kubectl=kubectl, name="redis", address=address)
    worker = workloads.build_worker(
        "orders",
        image=app_image,
        broker_url=broker.url,
        log_url=broker.url,
        queues=["orders"],
        replicas=2,
    )
    kubectl.apply(worker, manifests.build_secret("shop-broker", broker.url))
    options = {
        "clusterWide": True,
        "brokerSecrets": ["shop-broker"],
        "admissionPolicy": {"enabled": True},
    }
    helm = Helm(kubectl=kubectl)
    helm.install({**PRESET, "image": build_image(operator_image), "operator": options})
    thief = kubectl.acting_as(ACCOUNT, folder=tmp_path_factory.mktemp("thief"))
    with stolen_client(thief) as api:
        yield WideSite(kubectl=kubectl, thief=thief, broker=broker, api=api)
    helm.uninstall()


@pytest.fixture
def bystander(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A Deployment of the cluster's own namespace, without replicas."""
    kubectl = kubectl.within("kube-system")
    labels = {"app": BYSTANDER}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "none", "image": STRANGE_IMAGE}]},
    }
    kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": BYSTANDER},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }
    )
    yield kubectl
    kubectl.delete(f"deployment/{BYSTANDER}")


def refusal(kubectl: Kubectl, *words: str, stdin: str | None = None) -> str:
    with pytest.raises(KubectlError) as refused:
        kubectl.run(*words, stdin=stdin)
    return str(refused.value)


def stolen_client(thief: Kubectl) -> httpx2.Client:
    config = json.loads(thief.kubeconfig.read_text())
    [cluster], [user] = config["clusters"], config["users"]
    authority = base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode()
    return httpx2.Client(
        base_url=cluster["cluster"]["server"],
        verify=ssl.create_default_context(cadata=authority),
        headers={"Authorization": f"Bearer {user['user']['token']}"},
    )


def test_it_drains_and_scales_under_its_admission_policy(site: WideSite) -> None:
    tasks = site.broker.send_work([60.0] * 2, queue="orders")
    waiting.eventually(lambda: runs.started(site.broker, tasks) == 2, within_s=120, why="both run")
    pool = manifests.build_pool("orders", secret="shop-broker", minReplicas=1, maxReplicas=1)
    site.kubectl.apply(pool)

    def replicas() -> int:
        found: int = site.kubectl.get("deployment/orders")["spec"]["replicas"]
        return found

    def draining() -> list[Manifest]:
        return site.kubectl.items("pods", selector=f"{DRAINING}=orders")

    waiting.eventually(lambda: len(draining()) == 1, within_s=60, why="one of them drains")
    assert replicas() == 2
    waiting.eventually(lambda: replicas() == 1, within_s=120, why="it is removed when it is idle")
    assert runs.ended(site.broker, tasks) >= 1


def test_its_token_changes_nothing_that_the_operator_does_not_change(
    site: WideSite, bystander: Kubectl
) -> None:
    pods = site.kubectl.items("pods", selector="app=orders")
    name = pods[0]["metadata"]["name"]
    pod = f"/api/v1/namespaces/{site.kubectl.namespace}/pods/{name}"
    image = {"spec": {"containers": [{"name": "worker", "image": STRANGE_IMAGE}]}}

    assert site.patch(pod, image)[0] == 403
    for change, word in FOREIGN_CHANGES:
        status, message = site.patch(f"{pod}/status", change)
        assert (status, word in message) == (422, True), message
    own = {"metadata": {"annotations": {"celeriac.dev/draining-since": None}}}
    assert site.patch(f"{pod}/status", own)[0] == 200
    assert site.patch(f"{pod}/status", image)[0] == 200  # the spec is ignored
    assert STRANGE_IMAGE not in json.dumps(site.kubectl.get(f"pod/{name}"))
    scale = f"/apis/apps/v1/namespaces/kube-system/deployments/{BYSTANDER}/scale"
    status, message = site.patch(scale, {"spec": {"replicas": 3}})
    assert (status, "scale nothing in this namespace" in message) == (422, True), message
    assert bystander.get(f"deployment/{BYSTANDER}")["spec"]["replicas"] == 0


def test_its_token_reads_the_secrets_of_brokers_alone(site: WideSite) -> None:
    assert site.thief.run("get", "secret/shop-broker", "--output=name")
    assert "forbidden" in refusal(site.thief, "get", "secret/celeriac-other")
    assert "forbidden" in refusal(site.thief, "get", "secrets")
    assert "forbidden" in refusal(site.thief, "get", "secrets", "--all-namespaces")


def test_names_that_climb_out_of_the_namespace_reach_nothing(
    site: WideSite, kubectl: Kubectl, bystander: Kubectl
) -> None:
    victim = site.kubectl.namespace
    through_secret = f"../../{victim}/secrets/shop-broker"
    through_target = f"../../kube-system/deployments/{BYSTANDER}"
    pools = [
        manifests.build_pool("reads", secret=through_secret),
        manifests.build_pool("scales", workload=through_target, minReplicas=2),
    ]
    for pool in pools:
        with pytest.raises(KubectlError, match="should match"):
            kubectl.apply(pool)

    with definition_without_patterns(site.kubectl):
        # As a definition of before would let them in.
        kubectl.apply(manifests.build_secret("shop-broker", site.broker.url), *pools)
        for pool in pools:
            name = pool["metadata"]["name"]
            found = waiting.eventually(
                partial(ready_of, kubectl, name), within_s=60, why="the operator has looked at it"
            )
            assert found["status"] == "False"
            assert found["reason"] == "InvalidSpec", found
        assert bystander.get(f"deployment/{BYSTANDER}")["spec"]["replicas"] == 0
        log = site.kubectl.logs("deployment/celeriac-operator")
        assert site.broker.url not in log
        assert base64.b64encode(site.broker.url.encode()).decode() not in log
        kubectl.delete_all("workerpools")
        waiting.eventually(lambda: not kubectl.items("workerpools"), why="they are gone")


def ready_of(kubectl: Kubectl, pool: str) -> Manifest:
    return manifests.condition(kubectl.get(f"workerpool/{pool}"), "Ready")


@contextmanager
def definition_without_patterns(kubectl: Kubectl) -> Iterator[None]:
    """The definition of WorkerPools in the cluster, which checks no name for a while."""
    definition = yaml.safe_load(Path(DEFINITION).read_text())
    kubectl.apply(_without_patterns(definition))
    try:
        yield
    finally:
        kubectl.apply_file(DEFINITION)


def _without_patterns(node: Any) -> Any:  # JSON of any depth
    match node:
        case dict():
            dropped = ("pattern", "x-kubernetes-validations")
            return {
                key: _without_patterns(value) for key, value in node.items() if key not in dropped
            }
        case list():
            return [_without_patterns(value) for value in node]
        case _:
            return node
