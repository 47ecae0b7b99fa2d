"""Pools shrink while tasks run: no task is ended, none waits without need, whatever happens to the
operator meanwhile.

`CELERIAC_FULL_LENGTH=1` takes tasks of 10 s and 240 s, the lengths that were measured with KEDA.
"""

import os
import random
import time
from collections.abc import Sequence
from functools import partial

import pytest

from tests import waiting
from tests.cluster.pools import manifests, runs
from tests.cluster.pools.conftest import PoolNamespace

IS_FULL = os.environ.get("CELERIAC_FULL_LENGTH") == "1"
SHORT_S, LONG_S = (10.0, 240.0) if IS_FULL else (2.4, 30.0)
PATIENCE_S = 3 * LONG_S + 60
REPLICAS = 10
PAIRS = 4
"""Replicas with room for two tasks each."""
SINGLES = ("mixed", "idle")
DOUBLES = ("woken", "restarted", "deleted")

pytestmark = [pytest.mark.timeout(3 * PATIENCE_S), pytest.mark.usefixtures("_crews")]


def mixed(seed: int) -> list[float]:
    """Ten short and ten long tasks, shuffled; a long one is last, so that no short one has to wait
    for the end of a long one, if those that can take work do."""
    durations = [SHORT_S] * 10 + [LONG_S] * 9
    random.Random(seed).shuffle(durations)
    return [*durations, LONG_S]


@pytest.fixture(scope="module")
def _crews(site: PoolNamespace) -> None:
    """A pool for each test, of a fixed size for now and all of its workers waiting for work."""
    sizes = {**dict.fromkeys(SINGLES, (REPLICAS, 1)), **dict.fromkeys(DOUBLES, (PAIRS, 2))}
    for name, (replicas, concurrency) in sizes.items():
        deploy(site, name, replicas=replicas, concurrency=concurrency)
    for name, (replicas, _) in sizes.items():
        waiting.eventually(
            partial(is_consuming, site, name, replicas=replicas),
            within_s=240,
            why=f"{name}: all replicas ask for work",
        )


def deploy(site: PoolNamespace, name: str, *, replicas: int, concurrency: int) -> None:
    """A pool that is in a hurry to shrink once it is let go."""
    site.deploy_workers(name, concurrency=concurrency)
    site.kubectl.apply(
        manifests.build_pool(
            name,
            replicas=replicas,
            maxReplicas=replicas,
            concurrency=concurrency,
            target={"backlogPerReplica": 1} if concurrency == 1 else {"queueWaitSeconds": 1},
            cooldownPeriodSeconds=0,
        )
    )


def is_consuming(site: PoolNamespace, name: str, *, replicas: int) -> bool:
    """Whether each replica asks Redis for work, which a pod that is ready need not do yet."""
    pods = site.kubectl.items("pods", selector=f"app={name}")
    addresses = {pod["status"].get("podIP") for pod in pods}
    with site.broker.client() as client:
        asking = {
            each["addr"].rpartition(":")[0]
            for each in client.client_list()
            if each["cmd"] == "brpop"
        }
    return len(addresses & asking) == replicas


def let_go(site: PoolNamespace, name: str) -> None:
    """Size it by demand from now on."""
    site.kubectl.patch(f"wp/{name}", {"spec": {"replicas": None}})


def await_started(site: PoolNamespace, tasks: Sequence[str], *, within_s: float) -> None:
    waiting.eventually(
        lambda: runs.started(site.broker, tasks) == len(tasks), within_s=within_s, why="all start"
    )


def await_ended(site: PoolNamespace, tasks: Sequence[str]) -> None:
    waiting.eventually(
        lambda: runs.ended(site.broker, tasks) == len(tasks), within_s=PATIENCE_S, why="all end"
    )


def assert_ran_once_each(site: PoolNamespace, tasks: Sequence[str]) -> None:
    repeated = [run for run in runs.read(site.broker, tasks).values() if not run.is_once]
    assert repeated == []


def draining(site: PoolNamespace, name: str) -> list[str]:
    """The pods that are marked."""
    pods = site.kubectl.items("pods", selector=f"celeriac.dev/draining={name}")
    return [pod["metadata"]["name"] for pod in pods]


def spread_long_tasks(site: PoolNamespace, name: str) -> list[str]:
    """One long task on each of the workers, which have room for two."""
    tasks = site.broker.send_work([LONG_S] * PAIRS, queue=name)
    await_started(site, tasks, within_s=60)
    hosts = {run.hosts[0] for run in runs.read(site.broker, tasks).values()}
    assert len(hosts) == PAIRS, "Redis serves those first that wait the longest"
    return tasks


def test_short_and_long_tasks_on_ten_replicas_all_run_once(site: PoolNamespace) -> None:
    durations = mixed(seed=1)
    with site.history("mixed") as history:
        published_at_s = time.time()
        tasks = site.broker.send_work(durations, queue="mixed")
        let_go(site, "mixed")
        await_ended(site, tasks)
        waiting.eventually(lambda: history.now == 0, within_s=60, why="nothing left to do")

    assert_ran_once_each(site, tasks)
    found = runs.read(site.broker, tasks)
    shorts = [found[task] for task, each in zip(tasks, durations, strict=True) if each == SHORT_S]
    longs = [found[task] for task, each in zip(tasks, durations, strict=True) if each == LONG_S]
    first_long_end_s = min(run.ended_at_s[0] for run in longs) - published_at_s
    waits_s = [run.started_at_s[0] - published_at_s for run in shorts]
    assert max(waits_s) < first_long_end_s, "a short task waited behind a long one"
    last_long_end_s = max(run.ended_at_s[0] for run in longs)
    sizes = [each.replicas for each in history.changes if each.at_s < last_long_end_s]
    assert min(sizes) < REPLICAS, "it shrinks while long tasks run"


def test_idle_replicas_go_while_others_are_busy(site: PoolNamespace) -> None:
    tasks = site.broker.send_work([LONG_S] * 3, queue="idle")
    await_started(site, tasks, within_s=30)
    with site.history("idle") as history:
        let_go(site, "idle")
        waiting.eventually(lambda: history.now == 3, within_s=LONG_S * 0.9, why="seven idle go")
        assert runs.ended(site.broker, tasks) == 0
    await_ended(site, tasks)
    assert_ran_once_each(site, tasks)


def test_work_that_comes_back_wakes_replicas_that_drain(site: PoolNamespace) -> None:
    tasks = spread_long_tasks(site, "woken")
    with site.history("woken") as history:
        let_go(site, "woken")
        marked = waiting.eventually(lambda: draining(site, "woken"), why="half of them drain")
        more_at_s = time.time()
        more = site.broker.send_work([SHORT_S] * PAIRS, queue="woken")
        await_started(site, more, within_s=LONG_S / 2)
        assert max(history.replicas) == PAIRS, "no pod was added"
        woken = {run.hosts[0] for run in runs.read(site.broker, more).values()} & set(marked)
        await_ended(site, [*tasks, *more])
        waiting.eventually(lambda: history.now == 0, within_s=60, why="nothing left to do")
    assert woken, "those that drained have taken work again"
    waits_s = [run.started_at_s[0] - more_at_s for run in runs.read(site.broker, more).values()]
    assert max(waits_s) < 10
    assert_ran_once_each(site, [*tasks, *more])


def test_a_drain_outlives_a_restarted_and_a_killed_operator(site: PoolNamespace) -> None:
    tasks = spread_long_tasks(site, "restarted")
    with site.history("restarted") as history:
        let_go(site, "restarted")
        marked = waiting.eventually(lambda: draining(site, "restarted"), why="half of them drain")
        site.operator.restart()
        site.await_condition("restarted", "Draining", is_so="True")
        site.operator.kill()
        assert draining(site, "restarted") == marked
        site.operator.start()
        await_ended(site, tasks)
        waiting.eventually(lambda: history.now == 0, within_s=90, why="nothing left to do")
    assert_ran_once_each(site, tasks)


def test_a_deleted_pool_gives_its_replicas_back(site: PoolNamespace) -> None:
    tasks = spread_long_tasks(site, "deleted")
    let_go(site, "deleted")
    waiting.eventually(lambda: draining(site, "deleted"), why="half of them drain")
    site.kubectl.delete("wp/deleted")
    waiting.eventually(lambda: not draining(site, "deleted"), why="the marks are taken off")
    more = site.broker.send_work([0.1] * PAIRS, queue="deleted")
    await_started(site, more, within_s=30)
    assert site.kubectl.get("deployment/deleted")["spec"]["replicas"] == PAIRS
    await_ended(site, tasks)
    assert_ran_once_each(site, [*tasks, *more])
