"""What keeps a pool's workers from being heard or talked to, and the way out. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from app.broker.model import BrokerReading, ControlTrouble, NodeName, host_of
from app.control.decide import findings
from app.control.observe.worker_heartbeats import Hearing
from app.control.pool.problems import Finding, ProblemReason
from app.control.pool.spec import BrokerSpec
from app.control.ports import Instance

SURVEYED = frozenset((ProblemReason.WORKERS_UNHEARD, ProblemReason.REPLIES_MISSING))
"""Findings whose cause may be names that a survey of the broker finds out."""


def needs_survey(found: Iterable[Finding]) -> bool:
    """Whether to find out which names the broker has."""
    return any(one.reason in SURVEYED for one in found)


def of_workers(
    broker: BrokerSpec,
    reading: BrokerReading,
    hearing: Hearing,
    instances: Collection[Instance],
    *,
    unheard: Sequence[str],
    now_s: float,
) -> Iterator[Finding]:
    """Everything that is wrong with the contact to the workers of a pool."""
    if unheard:
        lost = [one for one in instances if one.name in unheard]
        yield _unheard(broker, reading, unheard, lost)
    awake = [node for one in instances for node in hearing.awake_nodes(one, now_s=now_s)]
    troubles = {node: reading.troubles[node] for node in awake if node in reading.troubles}
    if troubles:
        yield from _of_replies(broker, reading, troubles)


def _unheard(
    broker: BrokerSpec, reading: BrokerReading, unheard: Sequence[str], lost: Sequence[Instance]
) -> Finding:
    exchange = broker.exchanges.events
    found = _ways(reading.elsewhere.events, [node for one in lost for node in one.nodes], lost)
    if found:
        return findings.unheard(
            unheard,
            exchange,
            why=f"their workers send them elsewhere: in spec.broker, set {found[0]}",
        )
    if reading.unreadable_events is not None:
        why = (
            f"events come in that cannot be read ({reading.unreadable_events}): set the "
            "application's event_serializer to json, msgpack, yaml or pickle"
        )
        return findings.unheard(unheard, exchange, why=why)
    others = sorted(set(reading.elsewhere.events.values()))
    if others:
        why = (
            f"this broker has heartbeats of other workers elsewhere ({'; '.join(others[:3])}): if "
            "they are these, set spec.broker so, and the node names so that they end in @ and the "
            "host name"
        )
        return findings.unheard(unheard, exchange, why=why)
    return findings.unheard(unheard, exchange)


def _of_replies(
    broker: BrokerSpec, reading: BrokerReading, troubles: Mapping[NodeName, ControlTrouble]
) -> Iterator[Finding]:
    unreadable = {node: one.unreadable for node, one in troubles.items() if one.unreadable}
    missing = [node for node in troubles if node not in unreadable]
    if unreadable:
        yield findings.replies_unreadable(list(unreadable), next(iter(unreadable.values())))
    if missing:
        named = [node for node in missing if node in reading.elsewhere.control]
        way = reading.elsewhere.control[named[0]] if named else None
        yield findings.replies_missing(missing, broker.exchanges.control, way=way)


def _ways(
    elsewhere: Mapping[NodeName, str], nodes: Collection[NodeName], lost: Collection[Instance]
) -> list[str]:
    """How to hear these replicas, where the survey has found their workers."""
    hosts = {one.host for one in lost if one.host is not None and not one.nodes}
    return [way for node, way in elsewhere.items() if node in nodes or host_of(node) in hosts]
