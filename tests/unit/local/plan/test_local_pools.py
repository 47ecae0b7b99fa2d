"""Pools of this machine: their limits, their names and how their workers start."""

import pytest

from app.errors import InvalidInput
from app.local.plan import celery_pools, local_pools
from app.local.plan.celery_pools import PoolStart
from app.queues import QUEUES, PoolKind, Queue, QueueName


def queue(kind: PoolKind, *, concurrency: int = 1, max_replicas: int = 10) -> Queue:
    return Queue(
        name=QueueName("q"),
        purpose="",
        pool=kind,
        concurrency=concurrency,
        max_replicas=max_replicas,
    )


@pytest.mark.parametrize(
    ("served", "processors", "want"),
    [
        pytest.param(queue(PoolKind.PREFORK), 8, 8, id="a process for each processor"),
        pytest.param(queue(PoolKind.PREFORK, concurrency=2), 8, 4, id="two slots take two"),
        pytest.param(queue(PoolKind.PREFORK, concurrency=4), 2, 1, id="never less than one"),
        pytest.param(queue(PoolKind.THREADS, concurrency=8), 4, 4, id="threads share a processor"),
        pytest.param(queue(PoolKind.PREFORK, max_replicas=3), 8, 3, id="the queue's own limit"),
    ],
)
def test_replica_limit_fits_the_machine(served: Queue, processors: int, want: int) -> None:
    assert local_pools.replica_limit(served, processors=processors) == want


def test_every_declared_queue_has_a_pool_of_its_own() -> None:
    found = local_pools.declared_pools(QUEUES, processors=2, cooldown_s=30.0)

    assert [(pool.name, pool.pool.spec.queues) for pool in found] == [
        (queue.name, (queue.name,)) for queue in QUEUES
    ]


def test_a_declared_pool_starts_workers_of_its_kind() -> None:
    (download,) = [
        pool
        for pool in local_pools.declared_pools(QUEUES, processors=2, cooldown_s=30.0)
        if pool.name == "download"
    ]

    start = celery_pools.build_start(download.celery_pool, application_pool="prefork")
    arguments = download.worker_arguments("download-1@here", start=start, log_level="info")
    assert " ".join(arguments) == (
        "worker --queues download --pool threads --concurrency 4 --hostname download-1@here "
        "--loglevel info --without-gossip --without-mingle"
    )


def test_two_pools_of_one_name_are_refused() -> None:
    found = local_pools.declared_pools(QUEUES, processors=2, cooldown_s=30.0)

    with pytest.raises(InvalidInput, match="two pools are called"):
        local_pools.check_names([*found, found[0]])


CUSTOM = "shop.pools:Pool"


@pytest.mark.parametrize(
    ("wanted", "application_pool", "want"),
    [
        pytest.param(
            "threads",
            "prefork",
            PoolStart(name="threads", arguments=("--pool", "threads"), is_forked=True),
            id="threads are forked",
        ),
        pytest.param(
            None,
            "prefork",
            PoolStart(name="prefork", arguments=("--pool", "prefork"), is_forked=True),
            id="Celery's default is forked",
        ),
        pytest.param(
            "eventlet",
            "prefork",
            PoolStart(name="eventlet", arguments=("--pool", "eventlet"), is_forked=False),
            id="a green pool starts anew",
        ),
        pytest.param(
            None,
            "gevent",
            PoolStart(name="gevent", arguments=("--pool", "gevent"), is_forked=False),
            id="the application's green pool is told to Celery early enough to patch",
        ),
        pytest.param(
            "prefork",
            "gevent",
            PoolStart(name="prefork", arguments=("--pool", "processes"), is_forked=True),
            id="a manifest's prefork beats the application's pool",
        ),
        pytest.param(
            CUSTOM,
            "prefork",
            PoolStart(
                name=CUSTOM,
                arguments=("--pool", "custom"),
                environment={"CELERY_CUSTOM_WORKER_POOL": CUSTOM},
                is_forked=False,
            ),
            id="a class of the manifest",
        ),
        pytest.param(
            None, CUSTOM, PoolStart(name=CUSTOM, is_forked=False), id="the application's class"
        ),
    ],
)
def test_a_pool_class_starts_as_it_can(
    wanted: str | None, application_pool: str, want: PoolStart
) -> None:
    assert celery_pools.build_start(wanted, application_pool=application_pool) == want


def test_each_queue_of_an_application_has_a_pool_whose_name_can_name_a_file() -> None:
    found = local_pools.application_pools(["orders", "Orders", "../../evil", "é"], cooldown_s=5)

    assert [(pool.name, pool.pool.spec.queues, pool.celery_pool) for pool in found] == [
        ("orders-1", ("orders",), None),
        ("orders-2", ("Orders",), None),
        ("evil", ("../../evil",), None),
        ("queue", ("é",), None),
    ]
    targets = {pool.pool.spec.scale_target_ref.name for pool in found}
    assert len(targets) == 4  # of two pools on one target the loop refuses one


def test_an_application_without_a_queue_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no queue to consume"):
        local_pools.application_pools([], cooldown_s=5)
