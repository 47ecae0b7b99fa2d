"""Which queues an exchange leads to, as kombu keeps it in Redis (`kombu.transport.virtual`)."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.broker import keys


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingTable:
    """The bindings of one exchange."""

    by_key: Mapping[str, frozenset[str]]
    by_pattern: Mapping[str, frozenset[str]]


def build_table(members: Iterable[bytes]) -> BindingTable:
    """A table of the members of an exchange's set. What is not a binding is left out."""
    by_key: dict[str, set[str]] = defaultdict(set)
    by_pattern: dict[str, set[str]] = defaultdict(set)
    for member in members:
        try:
            routing_key, pattern, queue = keys.parse_binding(member.decode())
        except ValueError:
            continue
        (by_pattern[pattern] if pattern else by_key[routing_key]).add(queue)
    return BindingTable(
        by_key={key: frozenset(queues) for key, queues in by_key.items()},
        by_pattern={pattern: frozenset(queues) for pattern, queues in by_pattern.items()},
    )


def destinations(routing_key: str, table: BindingTable | None) -> frozenset[str]:
    """The queues that a message went to; as kombu looks them up. The default exchange has no table:
    its routing keys are the names of queues."""
    if table is None:
        return frozenset({routing_key})
    patterns = (
        queues for pattern, queues in table.by_pattern.items() if _matches(pattern, routing_key)
    )
    return frozenset().union(table.by_key.get(routing_key, frozenset()), *patterns)


def _matches(pattern: str, routing_key: str) -> bool:
    try:
        return re.match(pattern, routing_key) is not None
    except re.error:
        return False
