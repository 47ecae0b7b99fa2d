"""The operator alone, by the preset of the chart, over workers that are deployed by other means."""

import yaml

from tests import waiting
from tests.cluster import workloads
from tests.cluster.broker import Broker
from tests.cluster.chart.conftest import build_image
from tests.cluster.chart.helm import CHART, Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.pools import manifests, runs

PRESET = yaml.safe_load((CHART / "presets/operator-only.yaml").read_text())


def test_it_sizes_pools_whose_secrets_it_was_told_of(
    restricted: Kubectl, redis_image: str, app_image: str, operator_image: str
) -> None:
    kubectl = restricted
    kubectl.apply(*workloads.build_redis("redis", image=redis_image, append_only=True))
    kubectl.roll_out("deployment/redis")
    address = kubectl.get("service/redis")["spec"]["clusterIP"]
    broker = Broker(kubectl=kubectl, name="redis", address=address)
    workers = [
        workloads.build_worker(
            name,
            image=app_image,
            broker_url=broker.url,
            log_url=broker.url,
            queues=[name],
            replicas=0,
        )
        for name in ("orders", "mail")
    ]
    secrets = [manifests.build_secret(name, broker.url) for name in ("shop-broker", "other")]
    kubectl.apply(*workers, *secrets)
    image = build_image(operator_image)
    Helm(kubectl=kubectl).install(
        {**PRESET, "image": image, "operator": {"brokerSecrets": ["shop-broker"]}}
    )
    kubectl.apply(
        manifests.build_pool("orders", secret="shop-broker", maxReplicas=2),
        manifests.build_pool("mail", secret="other"),
    )
    kubectl.wait("workerpool/orders", "Ready", within_s=60)
    tasks = broker.send_work([1.0] * 4, queue="orders")
    waiting.eventually(lambda: runs.ended(broker, tasks) == 4, within_s=120, why="all is done")
    ready = waiting.eventually(lambda: ready_of(kubectl, "mail"), why="its Secret was asked for")
    assert "operator.brokerSecrets" in ready["message"]
    assert {each["metadata"]["name"] for each in kubectl.items("deployments")} == {
        *("redis", "orders", "mail", "celeriac-operator")
    }


def ready_of(kubectl: Kubectl, pool: str) -> dict[str, str]:
    """The condition Ready of a pool, or nothing before there is one."""
    status = kubectl.get(f"workerpool/{pool}").get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    found: dict[str, str] = conditions.get("Ready", {})
    return found
