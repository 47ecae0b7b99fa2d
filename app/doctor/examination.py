"""Examines a broker: reads one snapshot, evaluates every check."""

from app.broker.connections.address import Address
from app.broker.connections.connection import Connection
from app.doctor import checks, server_checks, server_reader
from app.doctor.checks import DoctorCheck, Examination
from app.doctor.snapshot import Snapshot

CHECKS: tuple[DoctorCheck, ...] = (*server_checks.registry.checks,)
"""Every check, in the order of the reference."""


async def examine(address: Address) -> Examination:
    """Examine the application on this broker.

    Raises:
        BrokerUnreachable: nothing is known.
    """
    return checks.evaluate(CHECKS, await observe(address))


async def observe(address: Address) -> Snapshot:
    """Read a snapshot. Raises BrokerUnreachable."""
    connection = Connection(address)
    try:
        server = await server_reader.read(connection)
        return Snapshot(
            address=address,
            read_at_s=server.now_s,
            latency_s=server.latency_s,
            info=server.info,
            config=server.config,
            missing=server.missing,
        )
    finally:
        await connection.close()
