"""Redis away, the API server restarted, the operator killed: nothing is lost or touched.

`CELERIAC_FULL_LENGTH=1` takes Redis away for a whole minute.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests import waiting
from tests.cluster import live
from tests.cluster.boot import cluster as booting
from tests.cluster.live import Cluster
from tests.cluster.pools import manifests, runs
from tests.cluster.pools.conftest import PoolNamespace

REDIS_AWAY_S = 60.0 if os.environ.get("CELERIAC_FULL_LENGTH") == "1" else 25.0
"""Longer than cool-down, stabilisation and the fallback's threshold together."""
API_AWAY_S = 10.0


@contextmanager
def steady_load(site: PoolNamespace, queue: str) -> Iterator[list[str]]:
    """A task of a second each half a second, until the block ends; yields their ids."""
    ended = threading.Event()
    sent: list[str] = []

    def feed() -> None:
        while not ended.wait(0.5):
            if site.broker.answers():
                sent.extend(site.broker.send_work([1.0], queue=queue))

    thread = threading.Thread(target=feed, name="steady load")
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def test_replicas_stay_while_redis_is_away(site: PoolNamespace) -> None:
    site.deploy_workers("steady")
    site.kubectl.apply(manifests.build_pool("steady", minReplicas=1, maxReplicas=4))
    with steady_load(site, "steady") as sent, site.history("steady") as history:
        waiting.eventually(
            lambda: runs.ended(site.broker, sent) > 5, within_s=90, why="the load is served"
        )
        site.broker.go_away()
        away_at_s = time.time()
        site.await_condition("steady", "MetricsAvailable", is_so="False", within_s=15)
        held = history.now
        waiting.eventually(lambda: time.time() - away_at_s > REDIS_AWAY_S, within_s=70)
        while_away = {each.replicas for each in history.changes if each.at_s > away_at_s + 1}
        site.broker.come_back()
        back_at_s = time.time()
        site.await_condition("steady", "MetricsAvailable", is_so="True", within_s=10)
        recovered_after_s = time.time() - back_at_s
    assert while_away <= {held}
    assert 1 <= site.operator.log.count("broker not read") <= 3
    assert site.operator.log.count("broker is read again") >= 1
    assert recovered_after_s < 5
    late = site.broker.send_work([0.1], queue="steady")
    waiting.eventually(lambda: runs.ended(site.broker, late) == 1, within_s=90, why="it goes on")


def test_the_operator_outlives_a_restarted_api_server(
    site: PoolNamespace, cluster: Cluster
) -> None:
    layout = cluster.layout
    if layout is None:
        live.refuse("only the tests' own API server can be restarted")
    site.deploy_workers("surviving")
    site.kubectl.apply(manifests.build_pool("surviving", maxReplicas=2))
    site.await_condition("surviving", "Ready", is_so="True")
    booting.stop(layout, "kube-apiserver")
    stopped_at_s = time.time()
    site.broker.send_work([3.0] * 2, queue="surviving")
    waiting.eventually(lambda: time.time() - stopped_at_s > API_AWAY_S)
    booting.start(layout, "kube-apiserver")
    back_at_s = time.time()
    waiting.eventually(
        lambda: site.kubectl.get("deployment/surviving")["spec"]["replicas"] == 2,
        within_s=30,
        why="it is scaled without anybody's help",
    )
    assert time.time() - back_at_s < 15
    assert site.operator.is_running
    assert 1 <= site.operator.log.count("API server does not answer") <= 3
    assert site.operator.log.count("API server answers again") >= 1
    assert "Request attempt" not in site.operator.log


def test_nothing_changes_while_a_killed_operator_is_away(site: PoolNamespace) -> None:
    name = "killed"
    site.deploy_workers(name)
    site.kubectl.apply(manifests.build_pool(name, maxReplicas=2))
    with site.history(name) as history:
        first = site.broker.send_work([5.0], queue=name)
        waiting.eventually(lambda: runs.started(site.broker, first) == 1, within_s=60)
        turned_at = site.await_condition(name, "Active", is_so="True")["lastTransitionTime"]
        site.operator.kill()
        # Longer than the Lease of the killed one and the start of the next.
        more = site.broker.send_work([20.0] * 4, queue=name)
        waiting.eventually(lambda: runs.ended(site.broker, first) == 1, within_s=60)
        assert history.replicas == [0, 1]
        site.operator.start()
        waiting.eventually(lambda: history.now == 2, within_s=20, why="it picks up")
        assert site.await_condition(name, "Active", is_so="True")["lastTransitionTime"] == turned_at
        waiting.eventually(lambda: history.now == 0, within_s=90, why="back to zero")
    assert all(run.is_once for run in runs.read(site.broker, [*first, *more]).values())
