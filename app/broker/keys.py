"""The names that kombu gives to its keys and channels in Redis (kombu 5, `transport/redis.py`).

A queue is one list for each priority step: the name itself for step 0, name + separator + step for
the others. A message that a worker has fetched is a field of the hash `unacked`. Broadcasts go over
channels: `/{db}.{exchange}/{routing key}`. A global key prefix stands before all of them.
"""

from dataclasses import dataclass

from app.queues import PRIORITIES, QueueName

SEPARATOR = "\x06\x16"

EVENT_EXCHANGE = "celeryev"
PIDBOX_EXCHANGE = "celery.pidbox"
PIDBOX_REPLY_EXCHANGE = "reply.celery.pidbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """One application's names on one broker database."""

    db: int = 0
    prefix: str = ""
    """`global_keyprefix` of the transport options."""
    steps: tuple[int, ...] = PRIORITIES
    """The priority steps that are looked at. An application uses 0, 3, 6, 9 unless it says
    otherwise; a step that it does not use is an empty list, so looking at all is always right."""

    @property
    def unacked(self) -> str:
        return f"{self.prefix}unacked"

    @property
    def unacked_index(self) -> str:
        """A sorted set: the delivery tags of `unacked`, by the time of their delivery."""
        return f"{self.prefix}unacked_index"

    @property
    def binding_prefix(self) -> str:
        return f"{self.prefix}_kombu.binding."

    @property
    def binding_deadlines(self) -> str:
        return f"{self.prefix}_kombu.binding_deadlines"

    @property
    def pidbox_channel(self) -> str:
        return self._channel(PIDBOX_EXCHANGE)

    @property
    def reply_bindings(self) -> str:
        return f"{self.binding_prefix}{PIDBOX_REPLY_EXCHANGE}"

    def queue(self, name: QueueName) -> str:
        return f"{self.prefix}{name}"

    def event_channel(self, routing_key: str) -> str:
        return f"{self._channel(EVENT_EXCHANGE)}/{routing_key}"

    def reply_queue(self, ticket: str) -> str:
        return f"{self.prefix}{reply_queue_name(ticket)}"

    def _channel(self, exchange: str) -> str:
        return f"{self.prefix}/{self.db}.{exchange}"


def encode(name: str) -> bytes:
    """A key or channel on the wire. Names from messages may hold half of a surrogate pair, which
    strict UTF-8 refuses."""
    return name.encode("utf-8", "surrogatepass")


def reply_queue_name(ticket: str) -> str:
    return f"{ticket}.{PIDBOX_REPLY_EXCHANGE}"


def binding_member(*, routing_key: str, queue: str) -> str:
    """The member of an exchange's binding set that leads a routing key to a queue."""
    return SEPARATOR.join((routing_key, "", queue))


def parse_binding(member: str) -> tuple[str, str, str]:
    """Routing key, pattern (a regular expression; empty for a direct exchange) and queue.

    Raises:
        ValueError: it is not a member of a binding set.
    """
    routing_key, pattern, queue = member.split(SEPARATOR)
    return routing_key, pattern, queue
