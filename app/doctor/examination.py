"""Examines a broker: reads one snapshot, evaluates every check."""

from dataclasses import replace

from app.broker.connections.address import Address, Sentinels
from app.broker.connections.connection import Connection
from app.broker.redis_keys import Keys
from app.doctor import (
    application_checks,
    application_reader,
    checks,
    platform_checks,
    server_checks,
    server_reader,
)
from app.doctor.checks import DoctorCheck, Examination
from app.doctor.snapshot import Part, PlatformFacts, Snapshot, WaitingQueue, WorkerFacts
from app.errors import BrokerNotReady, BrokerRefused

CHECKS: tuple[DoctorCheck, ...] = (
    *server_checks.registry.checks,
    *application_checks.registry.checks,
    *platform_checks.registry.checks,
)
"""Every check, in the order of the reference."""


async def examine(
    address: Address, *, key_prefix: str = "", platform: PlatformFacts | None = None
) -> Examination:
    """Examine the application on this broker: our own platform where its facts are given.

    Raises:
        BrokerUnreachable: nothing is known.
    """
    snapshot = await observe(address, key_prefix=key_prefix)
    if platform is None:
        foreign = [check for check in CHECKS if Part.PLATFORM not in check.needs]
        return checks.evaluate(foreign, snapshot)
    return checks.evaluate(CHECKS, replace(snapshot, platform=platform))


async def observe(address: Address, *, key_prefix: str = "") -> Snapshot:
    """Read a snapshot. Raises BrokerUnreachable."""
    connection = Connection(address)
    keys = Keys(db=address.db, prefix=key_prefix, is_sentinel=isinstance(address.place, Sentinels))
    try:
        server = await server_reader.read(connection)
        missing = dict(server.missing)
        workers: tuple[WorkerFacts, ...] = ()
        queues: tuple[WaitingQueue, ...] = ()
        try:
            workers = await application_reader.read_workers(connection, keys)
            consumed = {name for one in workers for name in one.queues}
            queues = await application_reader.read_queues(connection, keys, consumed=consumed)
        except (BrokerRefused, BrokerNotReady) as error:
            missing |= {Part.QUEUES: str(error), Part.WORKERS: str(error)}
        if not workers:
            missing.setdefault(Part.WORKERS, "no worker has answered")
        return Snapshot(
            address=address,
            latency_s=server.latency_s,
            info=server.info,
            config=server.config,
            queues=queues,
            workers=workers,
            missing=missing,
        )
    finally:
        await connection.close()
