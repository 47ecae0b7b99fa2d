"""The log and the events: each change of size, each drain, each outage."""

import asyncio
import logging

import pytest

from app.control.pool.problems import PoolProblem, ProblemReason
from tests.unit.control.builders import worker_pool
from tests.unit.control.virtual_cluster import VirtualCluster
from tests.unit.control.virtual_operator import VirtualOperator, run


def test_events_tell_each_change_with_its_inputs() -> None:
    operator = VirtualOperator(VirtualCluster(), worker_pool(maxReplicas=4))
    operator.cluster.publish(*[10.0] * 8)

    run(operator, 90)

    assert operator.reports.reasons[0] == "ScaledUp"
    assert operator.reports.events[0][1].message.startswith("0 -> 4 replicas. 8 waiting, 0 running")
    assert set(operator.reports.reasons[1:]) == {"DrainStarted", "ScaledDown"}
    assert len(operator.reports.reasons) <= 8


def audited(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """The lines of the audit trail, by their fields."""
    wanted = ("message", "pool", "from", "to", "reason", "outcome", "broker", "lasted_s")
    return [
        {name: value for name, value in vars(record).items() if name in wanted}
        for record in caplog.records
        if record.name == "celeriac.pools"
    ]


def test_the_log_tells_each_change_of_size_and_each_drain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    operator = VirtualOperator(
        VirtualCluster(), worker_pool(cooldownPeriodSeconds=0, behavior=quick)
    )
    operator.cluster.publish(3.0, 3.0)

    run(operator, 40)

    told = audited(caplog)
    sizes = [(line["from"], line["to"]) for line in told if line["message"] == "pool scaled"]
    ends = [line["outcome"] for line in told if line["message"] == "drain ended"]
    assert (sizes[0], sizes[-1][1]) == ((0, 2), 0)
    assert ends == ["removed", "removed"]
    assert len([end for tick in operator.reports.ticks for end in tick.drained]) == 2
    assert {line["pool"] for line in told} == {"apps/shop"}


def test_an_outage_of_a_broker_is_one_line_and_its_end_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    pools = [worker_pool(f"p{n}", queues=[f"q{n}"]) for n in range(9)]
    operator = VirtualOperator(VirtualCluster(), *pools)
    run(operator, 2)
    operator.cluster.break_broker()
    run(operator, 30)
    operator.cluster.mend_broker()
    run(operator, 3)

    told = [line["message"] for line in audited(caplog)]

    assert told == ["broker not read, its pools keep their sizes", "broker is read again"]
    assert len(operator.reports.events) == 18  # each owner is told all the same


def test_replicas_that_cannot_be_woken_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    operator = VirtualOperator(
        VirtualCluster(replicas=2), worker_pool(behavior=quick, cooldownPeriodSeconds=0)
    )
    operator.cluster.settle()

    async def play() -> None:
        await operator.run(3)
        operator.pools.listed.clear()
        operator.cluster.break_broker()
        operator.replicas.problem = PoolProblem(ProblemReason.TARGET_NOT_FOUND, "gone as well")
        await operator.run(1)

    asyncio.run(play())

    assert "drains not ended" in caplog.text
