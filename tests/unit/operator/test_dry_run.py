"""What a dry run shows, and that no part of it writes."""

import asyncio
from pathlib import Path

import pytest

from app.broker.model import NodeName
from app.control.pool.status import Condition, ConditionStatus, ConditionType, PoolStatus
from app.control.ports import DrainMark, InstanceName
from app.errors import AccessDenied
from app.operator import dry_run
from app.operator.dry_run import (
    PrintedReports,
    ReadOnlyApiServer,
    ReadOnlyBrokers,
    ReadOnlyReplicas,
)
from app.operator.kubernetes.credentials import Login
from app.operator.metrics import OperatorMetrics
from app.operator.resources.cluster_caches import build_caches
from app.operator.resources.pool_cache import PoolCache
from app.queues import QueueName
from tests.pool_status import build_pool_status
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator


def ready(status: ConditionStatus, reason: str, message: str) -> tuple[Condition, ...]:
    return (
        Condition(
            type=ConditionType.READY,
            status=status,
            reason=reason,
            message=message,
            last_transition_at_s=0.0,
        ),
    )


WELL = ready(ConditionStatus.TRUE, "DryRun", "sizes are recommended")


@pytest.mark.parametrize(
    ("status", "want"),
    [
        pytest.param(
            build_pool_status(
                replicas=2, desired_replicas=5, explanation=("a burst",), conditions=WELL
            ),
            ("would go from 2 to 5 replicas", " (a burst)"),
            id="another size",
        ),
        pytest.param(
            build_pool_status(replicas=2, desired_replicas=2, explanation=(), conditions=WELL),
            ("stays at 2 replicas", ""),
            id="the same size",
        ),
        pytest.param(
            build_pool_status(
                replicas=2,
                conditions=ready(ConditionStatus.FALSE, "BrokerUnreachable", "no answer"),
            ),
            ("BrokerUnreachable: no answer", ""),
            id="something is wrong",
        ),
    ],
)
def test_what_would_be_done_is_said(status: PoolStatus, want: tuple[str, str]) -> None:
    assert dry_run.recommendation(status) == want


def test_a_recommendation_is_shown_when_it_changes() -> None:
    shown: list[str] = []
    server = ReadOnlyApiServer(Login(service_account=None, kubeconfigs=(Path("none"),)))
    reports = PrintedReports(server, PoolCache(), metrics=OperatorMetrics(), show=shown.append)

    async def scenario() -> None:
        for desired in (3, 3, 4):
            status = build_pool_status(
                replicas=2, desired_replicas=desired, explanation=(), conditions=WELL
            )
            await reports.write_status(worker_pool(), status)

    asyncio.run(scenario())
    assert shown == [
        "apps/shop  would go from 2 to 3 replicas",
        "apps/shop  would go from 2 to 4 replicas",
    ]


def test_nothing_is_written_even_where_a_part_tries_to() -> None:
    server = ReadOnlyApiServer(Login(service_account=None, kubeconfigs=(Path("none"),)))
    caches = build_caches(server, ("shop",), clock=lambda: 0.0)
    replicas = ReadOnlyReplicas(server, caches, clock=lambda: 0.0)

    async def scenario() -> None:
        with pytest.raises(AccessDenied):
            await server.create("/x", {})
        with pytest.raises(AccessDenied):
            await server.patch("/x", {})
        await replicas.mark(worker_pool(), {InstanceName("a"): DrainMark(since_s=1.0)})
        assert await replicas.scale_to(worker_pool(), was=2, replicas=5, victims=()) == 2

    asyncio.run(scenario())


def test_workers_are_neither_stopped_nor_woken() -> None:
    operator = VirtualOperator(VirtualCluster(replicas=2), worker_pool())
    operator.cluster.settle()
    nodes = [pod.node for pod in operator.cluster.pods.values()]

    async def scenario() -> None:
        broker = await ReadOnlyBrokers(operator.brokers).find(worker_pool())
        assert (
            await broker.workers.stop_consuming({node: [QueueName("q")] for node in nodes}) == set()
        )
        assert await broker.workers.resume_consuming({NodeName("x"): []}) == set()
        assert set(await broker.workers.ask(nodes)) == set(nodes)

    asyncio.run(scenario())
    assert all(pod.is_consuming for pod in operator.cluster.pods.values())
