"""A Celery application that has not a line of ours, on a Redis of its own: fifteen lines of values,
and the operator's small image."""

import pytest
import yaml

from tests import waiting
from tests.cluster import workloads
from tests.cluster.broker import Broker
from tests.cluster.chart.helm import Helm
from tests.cluster.kubectl import Kubectl
from tests.cluster.pools import manifests, runs
from tests.cluster.pools.history import History

VALUES = """\
image: {{repository: {operator[0]}, tag: {operator[1]}}}
pipelines: {{enabled: false}}
redis: {{enabled: false}}
broker: {{existingSecret: shop-broker}}
celery: {{app: tasks}}
workers:
  image: {{repository: {application[0]}, tag: {application[1]}}}
  defaults:
    autoscaling: {{cooldownPeriodSeconds: 5}}
    pod: {{env: [{{name: LOG_REDIS_URL, value: "{url}"}}]}}
  pools:
    orders: {{concurrency: 2, maxReplicas: 3}}
    mail: {{queues: [mail, newsletters], minReplicas: 1}}
"""

PACKAGES = ("/opt/celeriac", "/opt/package")
MOST_KIB = 120 * 1024


@pytest.fixture(scope="module")
def shop(restricted: Kubectl, redis_image: str, app_image: str, operator_image: str) -> Broker:
    """The installed application's broker."""
    restricted.apply(*workloads.build_redis("redis", image=redis_image, append_only=True))
    restricted.roll_out("deployment/redis")
    address = restricted.get("service/redis")["spec"]["clusterIP"]
    broker = Broker(kubectl=restricted, name="redis", address=address)
    restricted.apply(manifests.build_secret("shop-broker", broker.url))
    values = VALUES.format(
        operator=operator_image.rsplit(":", 1),
        application=app_image.rsplit(":", 1),
        url=broker.url,
    )
    assert len(values.splitlines()) <= 15
    Helm(kubectl=restricted).install(yaml.safe_load(values))
    return broker


def test_a_worker_that_is_told_to_go_while_it_starts_goes(shop: Broker) -> None:
    kubectl = shop.kubectl
    [first] = mail_workers(kubectl)
    kubectl.delete(f"pod/{first}")
    [starting] = waiting.eventually(
        lambda: mail_workers(kubectl) - {first}, why="the next one has begun to start"
    )
    kubectl.delete(f"pod/{starting}")
    # It would have an hour for its tasks.
    kubectl.wait(f"pod/{starting}", "delete", within_s=60)


def mail_workers(kubectl: Kubectl) -> set[str]:
    """The pods whose container runs, however far it is."""
    return {
        pod["metadata"]["name"]
        for pod in kubectl.items("pods", selector="celeriac.dev/pool=mail")
        for state in pod["status"].get("containerStatuses", ())
        if "running" in state["state"]
    }


def test_its_workers_follow_its_queue(shop: Broker) -> None:
    kubectl = shop.kubectl
    with History(kubectl, "deployment/celeriac-worker-orders") as history:
        waiting.eventually(lambda: history.now == 0, why="nothing waits: no worker is left")
        tasks = shop.send_work([4.0] * 12, queue="orders")
        waiting.eventually(lambda: runs.ended(shop, tasks) == 12, within_s=150, why="all is done")
        waiting.eventually(lambda: history.now == 0, why="no worker is left")
    assert max(history.replicas) == 3
    assert all(run.is_once for run in runs.read(shop, tasks).values())
    # The operator's image is the only one of ours here.
    sizes = kubectl.exec("deployment/celeriac-operator", "du", "-sk", *PACKAGES).splitlines()
    assert 0 < sum(int(line.split()[0]) for line in sizes) < MOST_KIB
