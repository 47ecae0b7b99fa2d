"""Finds the queues of an application: those that are declared, whether consumed or not."""

from app.broker import redis_keys
from app.broker.connections.connection import Connection
from app.broker.redis_keys import Keys

BINDINGS = 1_000
"""Exchanges, and bindings of each, that are read."""
KEYS_AT_ONCE = 1_000


async def declared(connection: Connection, keys: Keys) -> frozenset[str]:
    """The queues that clients or workers have declared, without those of remote control.

    Raises:
        BrokerUnreachable: no answer, or a refusal.
    """
    found: set[str] = set()
    async with connection.asking() as client:
        pattern = f"{keys.binding_prefix}*"
        exchanges = [key async for key in client.scan_iter(match=pattern, count=KEYS_AT_ONCE)]
        pipeline = client.pipeline(transaction=False)
        for key in exchanges[:BINDINGS]:
            pipeline.sscan(key, count=BINDINGS)
        for _, members in await pipeline.execute():
            found |= {_queue(member) for member in members}
    return frozenset(name for name in found if name and not _is_own(name))


def _queue(member: bytes | str) -> str:
    text = member if isinstance(member, str) else member.decode(errors="replace")
    return text.rpartition(redis_keys.SEPARATOR)[2]


def _is_own(name: str) -> bool:
    """Whether it is a mailbox of Celery, or a receiver of events."""
    return name.endswith(".pidbox") or name.startswith("celeryev.")
