"""Names of kombu's keys and channels in Redis (kombu 5, `transport/redis.py`).

A queue is one list for each priority step: the name itself for step 0, name + separator + step for
the others. A message that a worker has fetched is a field of the hash `unacked`. Broadcasts use
channels: `/{db}.{exchange}/{routing key}`. A global key prefix precedes all of them.

On Sentinel, kombu before 5.4 leaves `{db}` in the names of channels unreplaced, and later releases
do not. An application may run both during an upgrade, so both names are used there.
"""

from dataclasses import dataclass

from app.queues import PRIORITIES, QueueName

SEPARATOR = "\x06\x16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanges:
    """The exchanges of an application's broadcasts. The defaults are Celery's."""

    events: str = "celeryev"
    """Celery's setting `event_exchange`."""
    control: str = "celery"
    """Celery's setting `control_exchange`."""
    fanout_prefix: str = "/{db}."
    """`fanout_prefix` of the transport options."""


CELERY_EXCHANGES = Exchanges()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The names of one application in one database of a broker."""

    db: int = 0
    prefix: str = ""
    """`global_keyprefix` of the transport options."""
    steps: tuple[int, ...] = PRIORITIES
    """The priority steps to read. An application uses 0, 3, 6, 9 by default; the list of an unused
    step is empty, so reading all of them is always right."""
    exchanges: Exchanges = CELERY_EXCHANGES
    is_sentinel: bool = False

    @property
    def unacked(self) -> str:
        return f"{self.prefix}unacked"

    @property
    def unacked_index(self) -> str:
        """A sorted set of the delivery tags of `unacked`, by delivery time."""
        return f"{self.prefix}unacked_index"

    @property
    def binding_prefix(self) -> str:
        return f"{self.prefix}_kombu.binding."

    @property
    def binding_deadlines(self) -> str:
        return f"{self.prefix}_kombu.binding_deadlines"

    @property
    def pidbox_exchange(self) -> str:
        return f"{self.exchanges.control}.pidbox"

    @property
    def reply_exchange(self) -> str:
        return f"reply.{self.exchanges.control}.pidbox"

    @property
    def pidbox_channels(self) -> tuple[str, ...]:
        """The channels of commands. A worker listens to one of them, or drops duplicates."""
        return self._channels(self.pidbox_exchange)

    @property
    def reply_bindings(self) -> str:
        return f"{self.binding_prefix}{self.reply_exchange}"

    def queue(self, name: QueueName) -> str:
        return f"{self.prefix}{name}"

    def lists(self, name: QueueName) -> tuple[tuple[int, str], ...]:
        """The priority steps of a queue with their lists, in the order in which workers look."""
        key = self.queue(name)
        return tuple((step, f"{key}{SEPARATOR}{step}" if step else key) for step in self.steps)

    def event_channels(self, routing_key: str = "") -> tuple[str, ...]:
        """The channels of events with this routing key; without a key, those of all events of an
        application with `fanout_patterns` off."""
        ending = f"/{routing_key}" if routing_key else ""
        return tuple(f"{channel}{ending}" for channel in self._channels(self.exchanges.events))

    def reply_queue(self, ticket: str) -> str:
        return f"{self.prefix}{self.reply_queue_name(ticket)}"

    def reply_queue_name(self, ticket: str) -> str:
        return f"{ticket}.{self.reply_exchange}"

    def _channels(self, exchange: str) -> tuple[str, ...]:
        names = [self.exchanges.fanout_prefix.replace("{db}", str(self.db))]
        if self.is_sentinel:
            names.append(self.exchanges.fanout_prefix)
        return tuple(dict.fromkeys(f"{self.prefix}{name}{exchange}" for name in names))


def encode(name: str) -> bytes:
    """Encode a key or channel. Names from messages may contain half of a surrogate pair, which
    strict UTF-8 refuses."""
    return name.encode("utf-8", "surrogatepass")


def binding_member(*, routing_key: str, queue: str) -> str:
    """Build the member of an exchange's binding set that routes a routing key to a queue."""
    return SEPARATOR.join((routing_key, "", queue))


def parse_binding(member: str) -> tuple[str, str, str]:
    """Parse a member to routing key, pattern (a regular expression, empty for a direct exchange)
    and queue.

    Raises:
        ValueError: it is not a member of a binding set.
    """
    routing_key, pattern, queue = member.split(SEPARATOR)
    return routing_key, pattern, queue
