"""Pools of this machine: their limits, and the manifests that describe others."""

from pathlib import Path

import pytest

from app.errors import InvalidInput
from app.local import pools
from app.queues import QUEUES, PoolKind, Queue, QueueName

MANIFEST = """
apiVersion: celeriac.dev/v1alpha1
kind: WorkerPool
metadata: {name: NAME}
spec:
  scaleTargetRef: {name: x}
  queues: [a, b]
  maxReplicas: 3
"""


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
    assert pools.replica_limit(served, processors=processors) == want


def test_every_declared_queue_has_a_pool_of_its_own() -> None:
    found = pools.declared_pools(processors=2, cooldown_s=30.0)

    assert [(pool.name, pool.pool.spec.queues) for pool in found] == [
        (queue.name, (queue.name,)) for queue in QUEUES
    ]


def test_a_declared_pool_starts_workers_of_its_kind() -> None:
    (download,) = [
        pool
        for pool in pools.declared_pools(processors=2, cooldown_s=30.0)
        if pool.name == "download"
    ]

    assert " ".join(download.worker_arguments("download-1@here", log_level="info")) == (
        "worker --queues download --pool threads --concurrency 4 --hostname download-1@here "
        "--loglevel info --without-gossip --without-mingle"
    )


def test_manifests_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pools.yaml"
    annotated = MANIFEST.replace(
        "{name: NAME}", "{name: second, annotations: {celeriac.dev/celery-pool: threads}}"
    )
    path.write_text(f"{MANIFEST.replace('NAME', 'first')}---\n{annotated}---\n")

    first, second = pools.load_pools(path)

    assert [first.name, first.celery_pool, first.pool.spec.max_replicas] == ["first", "prefork", 3]
    assert [second.name, second.celery_pool, second.pool.spec.queues] == [
        "second",
        "threads",
        ("a", "b"),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "holds no WorkerPool", id="an empty file"),
        pytest.param("a: [", "cannot read", id="no YAML"),
        pytest.param("kind: Deployment", "not a WorkerPool", id="another kind"),
        pytest.param("just text", "not a WorkerPool", id="no object"),
        pytest.param("kind: WorkerPool", "no metadata.name", id="no name"),
        pytest.param(
            MANIFEST.replace("maxReplicas: 3", "maxReplica: 3"), "spec.maxReplica", id="a typo"
        ),
        pytest.param(
            MANIFEST.replace(
                "{name: NAME}", "{name: x, annotations: {celeriac.dev/celery-pool: y}}"
            ),
            "celery-pool of x is 'y'",
            id="a pool that Celery does not have",
        ),
    ],
)
def test_a_wrong_manifest_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(text)

    with pytest.raises(InvalidInput, match=complaint):
        pools.load_pools(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read the pools of"):
        pools.load_pools(tmp_path / "absent.yaml")


def test_two_pools_of_one_name_are_refused() -> None:
    found = pools.declared_pools(processors=2, cooldown_s=30.0)

    with pytest.raises(InvalidInput, match="two pools are called"):
        pools.check_names([*found, found[0]])
