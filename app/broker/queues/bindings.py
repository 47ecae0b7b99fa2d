"""Finds the queues of an application: those that are declared, whether they are consumed or not."""

from redis.asyncio import Redis

from app.broker import redis_keys
from app.broker.redis_keys import Keys

BINDINGS = 1_000
"""Exchanges, and bindings of each, that are read."""


async def declared_queues(client: Redis, keys: Keys) -> frozenset[str]:
    """The queues that clients or workers have declared, without the mailboxes of remote control and
    the receivers of events."""
    found: set[str] = set()
    pattern = f"{keys.binding_prefix}*"
    exchanges = [key async for key in client.scan_iter(match=pattern, count=BINDINGS)]
    pipeline = client.pipeline(transaction=False)
    for key in exchanges[:BINDINGS]:
        pipeline.sscan(key, count=BINDINGS)
    for _, members in await pipeline.execute():
        found |= {_queue(member) for member in members}
    return frozenset(name for name in found if name and not _is_of_celery(name))


def _queue(member: bytes | str) -> str:
    text = member if isinstance(member, str) else member.decode(errors="replace")
    return text.rpartition(redis_keys.SEPARATOR)[2]


def _is_of_celery(name: str) -> bool:
    return name.endswith(".pidbox") or name.startswith("celeryev.")
