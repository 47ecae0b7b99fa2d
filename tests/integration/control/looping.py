"""The whole loop over real workers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from app.control.loop import Loop
from app.control.pool.status import ConditionType
from app.control.pool.worker_pool import WorkerPool
from app.control.ports import Broker, BrokerKey
from tests.integration.control.staged import Operator
from tests.unit.control.virtual_operator import VirtualBrokers, VirtualPools, VirtualReports


@contextlib.asynccontextmanager
async def looped(operator: Operator, pool: WorkerPool) -> AsyncIterator[VirtualReports]:
    """The loop over real workers, until the end of the block."""
    broker = Broker(key=BrokerKey("b"), queues=operator.link.queues, workers=operator.link.workers)
    reports = VirtualReports()
    loop = Loop(
        pools=VirtualPools(listed=[pool]),
        brokers=VirtualBrokers(broker=broker),
        replicas=operator.replicas,
        reporter=reports,
        clock=time.time,
    )
    running = asyncio.create_task(loop.run())
    try:
        yield reports
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def condition(reports: VirtualReports, kind: ConditionType) -> tuple[str, str]:
    """Reason and message of a condition of the only pool."""
    for status in reports.latest.values():
        for found in status.conditions:
            if found.type is kind:
                return found.reason, found.message
    return "", ""
